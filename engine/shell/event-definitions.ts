import { evaluateRecursively } from '../../dsl/expressions/index.ts';
import { formatProblem } from '../../dsl/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { EngineError } from '../errors.ts';

/** What a transport hands in: in the words of the reference's notifications. */
export interface EventMessage {
  readonly event_type: string;
  readonly exchange: string;
  readonly topic: string;
  readonly payload: Json;
  /** Who sent it. */
  readonly publisher: string | null;
  /** `YYYY-MM-DD HH:MM:SS.ffffff` in UTC. */
  readonly timestamp: string;
  readonly context: { readonly project_id: string; readonly user_id: string | null };
}

/** What the executions of one kind of event get as `params.event_params` (spec/engine.md E-23.4). */
export interface EventDefinition {
  /** Names of events; `*`, `?` and `[…]` as in file names. */
  readonly eventTypes: readonly string[];
  /** Values with expressions over the message. */
  readonly properties: JsonObject;
}

/**
 * @returns without a definition for the event what the reference gives, and what our transports know of it besides.
 * @throws ExpressionError
 */
export function eventParams(definitions: readonly EventDefinition[], message: EventMessage): Json {
  // The last one that fits wins, as in the reference.
  const definition = definitions.findLast(({ eventTypes }) =>
    eventTypes.some((glob) => globPattern(glob).test(message.event_type)),
  );
  if (definition !== undefined) return evaluateRecursively(definition.properties, scopeOf(message));
  return {
    service: message.publisher,
    project_id: message.context.project_id,
    user_id: message.context.user_id,
    timestamp: message.timestamp,
    exchange: message.exchange,
    topic: message.topic,
    event: message.event_type,
    payload: message.payload,
  };
}

/**
 * Reads a file of event definitions: a YAML list of `{event_types: name or list, properties: {name: expression}}`.
 *
 * @throws EngineError INVALID_INPUT naming file and place
 */
export function parseEventDefinitions(text: string, file: string): readonly EventDefinition[] {
  const problems = new Problems();
  const { value, locate } = readYaml(text, problems);
  const found: EventDefinition[] = [];
  const items = Array.isArray(value) ? value : [];
  if (!Array.isArray(value) && value !== undefined && value !== null) {
    problems.error({ path: [] }, 'Event definitions are no list', 'write - {event_types: [...], properties: {...}}');
  }
  items.forEach((item, i) => {
    const types = isJsonObject(item) ? item['event_types'] : undefined;
    const eventTypes = typeof types === 'string' ? [types] : types;
    const properties = isJsonObject(item) ? item['properties'] : undefined;
    if (isTexts(eventTypes) && isJsonObject(properties)) found.push({ eventTypes, properties });
    else
      problems.error(
        { path: [i] },
        'This is no event definition',
        'it needs event_types, a name or a list of names, and properties, a mapping',
      );
  });
  const faults = problems.sorted(locate);
  if (faults.length === 0) return found;
  throw new EngineError('INVALID_INPUT', faults.map((problem) => `${file}:${formatProblem(problem)}`).join('\n'));
}

function isTexts(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
}

function scopeOf(message: EventMessage) {
  const data: JsonObject = { ...message };
  return {
    data,
    host: {
      env: () => ({}),
      execution: () => null,
      executions: () => [],
      task: () => null,
      tasks: () => [],
      global: () => null,
    },
  };
}

function globPattern(glob: string): RegExp {
  const source = glob.replaceAll(/\[!?[^\]]+\]|[\\^$.|+(){}[\]]|\*|\?/g, (part) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (part.length === 1) return `\\${part}`;
    return part.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
  });
  return new RegExp(`^${source}$`, 's');
}
