import type { Json, JsonObject } from './json.ts';
import {
  ACTION,
  DIRECT_TASK,
  type ListShape,
  type MappingShape,
  type NameShape,
  REVERSE_TASK,
  type Shape,
  TASK_DEFAULTS,
  type TextShape,
  WORKBOOK,
  WORKFLOW,
} from './spec/shape.ts';
import {
  CALL_WITH_PARAMETERS,
  ENTRY_NAME,
  grammarPattern,
  SINGLE_EXPRESSION,
  STORED_NAME,
  UUID_NAME,
} from './schema-patterns.ts';
import { MAX_JOIN_NAME, MAX_TASK_NAME } from './spec/names.ts';

/**
 * The language as a JSON Schema (draft 2020-12), for editors: it comes from the same table as the checks of an upload. What
 * needs the whole workflow, such as the targets of transitions, and the syntax of expressions are beyond it.
 */
export function dslSchema(): JsonObject {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Tramontane workflow language, version 2.0',
    // One branch at a time, so that an editor complains about the document that was meant.
    if: IS_WORKBOOK,
    then: { $ref: '#/$defs/workbook' },
    else: { if: HAS_ACTION, then: { $ref: '#/$defs/actions' }, else: { $ref: '#/$defs/workflows' } },
    $defs: {
      version: { description: "The version of the language: '2.0'.", enum: ['2.0', '2', 2] },
      workbook: workbookSchema(),
      workflows: listSchema('Workflows by name.', 'workflow'),
      actions: listSchema('Ad-hoc actions by name.', 'action'),
      workflow: workflowSchema(),
      directTask: taskSchema(DIRECT_TASK),
      reverseTask: taskSchema(REVERSE_TASK),
      taskDefaults: schemaOf(TASK_DEFAULTS),
      action: schemaOf(ACTION),
    },
  };
}

function workbookSchema(): JsonObject {
  const schema = schemaOf(WORKBOOK);
  return withProperties(schema, {
    version: { $ref: '#/$defs/version' },
    name: { ...propertyOf(schema, 'name'), pattern: STORED_NAME },
    workflows: sectionSchema(schema, 'workflows', 'workflow'),
    actions: sectionSchema(schema, 'actions', 'action'),
  });
}

function sectionSchema(workbook: JsonObject, section: string, entry: string): JsonObject {
  const own = propertyOf(workbook, section);
  return withProperties(
    {
      ...own,
      propertyNames: { ...nameOf(entry), pattern: ENTRY_NAME },
      additionalProperties: { $ref: `#/$defs/${entry}` },
    },
    { version: { $ref: '#/$defs/version' } },
  );
}

function listSchema(description: string, entry: string): JsonObject {
  return {
    description,
    type: 'object',
    required: ['version'],
    minProperties: 2,
    properties: { version: { $ref: '#/$defs/version' } },
    propertyNames: { ...nameOf(entry), pattern: STORED_NAME },
    additionalProperties: { $ref: `#/$defs/${entry}` },
  };
}

/** The name of a workflow in the form of an id would be taken for one. */
function nameOf(entry: string): JsonObject {
  return entry === 'workflow' ? { not: { pattern: UUID_NAME } } : {};
}

/** The type of a workflow decides what its tasks may hold. */
function workflowSchema(): JsonObject {
  const schema = schemaOf(WORKFLOW);
  const tasks = propertyOf(schema, 'tasks');
  const tasksOf = (task: string): JsonObject => ({
    properties: {
      tasks: {
        propertyNames: { not: { const: 'version' }, maxLength: MAX_TASK_NAME },
        patternProperties: { [LONG_NAME]: { allOf: [{ $ref: `#/$defs/${task}` }, NO_JOIN] } },
        additionalProperties: { $ref: `#/$defs/${task}` },
      },
    },
  });
  return {
    ...withProperties(schema, {
      'task-defaults': { ...propertyOf(schema, 'task-defaults'), $ref: '#/$defs/taskDefaults' },
      tasks: { ...tasks, additionalProperties: true },
    }),
    if: { required: ['type'], properties: { type: { const: 'reverse' } } },
    then: tasksOf('reverseTask'),
    else: tasksOf('directTask'),
  };
}

/** Parameters behind the name leave no room for an `input` that is one text (spec/dsl.md D-5.2). */
function taskSchema(shape: Shape): JsonObject {
  const withParameters = (call: 'action' | 'workflow'): JsonObject => ({
    required: [call],
    properties: { [call]: { pattern: CALL_WITH_PARAMETERS } },
  });
  return {
    ...schemaOf(shape),
    if: { anyOf: [withParameters('action'), withParameters('workflow')] },
    then: { properties: { input: { not: { type: 'string' } } } },
  };
}

function schemaOf(shape: Shape): JsonObject {
  if (shape.anything && shape.text === undefined) return {};
  if (shape.anything) return { description: `${sentence(shape.is)} Expressions may stand inside.` };
  const kinds = [
    ...(shape.text === undefined ? [] : [textSchema(shape.text)]),
    ...(shape.integer === undefined ? [] : [{ type: 'integer', minimum: shape.integer.minimum }]),
    ...(shape.boolean ? [{ type: 'boolean' }] : []),
    ...(shape.list === undefined ? [] : [listOf(shape.list)]),
    ...(shape.mappings ?? []).map(mappingSchema),
  ];
  const [only] = kinds;
  return kinds.length === 1 && only !== undefined ? only : { anyOf: kinds };
}

function textSchema(text: TextShape): JsonObject {
  const grammar = text.grammar === undefined ? null : grammarPattern(text.grammar);
  return {
    type: 'string',
    ...(grammar === null ? {} : { pattern: grammar }),
    ...(text.values === undefined ? {} : { enum: text.values }),
    ...(text.minLength === undefined ? {} : { minLength: text.minLength }),
    ...(text.expressions === 'single' ? { pattern: SINGLE_EXPRESSION } : {}),
  };
}

function listOf(list: ListShape): JsonObject {
  return {
    type: 'array',
    minItems: list.minItems,
    ...(list.unique ? { uniqueItems: true } : {}),
    items: schemaOf(list.items),
  };
}

function mappingSchema(mapping: MappingShape): JsonObject {
  const properties = Object.entries(mapping.keywords ?? {}).map(([key, { shape, about }]): [string, Json] => [
    key,
    { ...schemaOf(shape), description: about },
  ]);
  const exclusive = mapping.exclusive ?? [];
  return {
    type: 'object',
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
    ...(mapping.required === undefined ? {} : { required: mapping.required }),
    ...(mapping.minKeys === undefined ? {} : { minProperties: mapping.minKeys }),
    ...(mapping.maxKeys === undefined ? {} : { maxProperties: mapping.maxKeys }),
    ...(mapping.ifAnyKey === undefined ? {} : { anyOf: mapping.ifAnyKey.map((key) => ({ required: [key] })) }),
    ...(exclusive.length === 0 ? {} : { not: { required: exclusive } }),
    ...namesSchema(mapping.others?.names),
    additionalProperties: mapping.others === undefined ? (mapping.open ?? false) : schemaOf(mapping.others.shape),
  };
}

function namesSchema(names: NameShape | undefined): JsonObject {
  const pattern = names?.grammar === undefined ? null : grammarPattern(names.grammar);
  return pattern === null ? {} : { propertyNames: { pattern } };
}

function withProperties(schema: JsonObject, properties: JsonObject): JsonObject {
  return { ...schema, properties: { ...(schema['properties'] as JsonObject | undefined), ...properties } };
}

function propertyOf(schema: JsonObject, key: string): JsonObject {
  const properties = schema['properties'] as JsonObject | undefined;
  return (properties?.[key] ?? {}) as JsonObject;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

// A text shows what it is by the same signs as in api/commands/document-kind.ts.
const SECTION: JsonObject = { type: 'object', not: { anyOf: [{ required: ['tasks'] }, { required: ['base'] }] } };
const IS_WORKBOOK: JsonObject = {
  anyOf: [
    { required: ['name'], properties: { name: { type: 'string' } } },
    { required: ['workflows'], properties: { workflows: SECTION } },
    { required: ['actions'], properties: { actions: SECTION } },
  ],
};
const HAS_ACTION: JsonObject = {
  not: {
    properties: { version: true },
    additionalProperties: { not: { type: 'object', required: ['base'], not: { required: ['tasks'] } } },
  },
};
const LONG_NAME = `^[\\s\\S]{${MAX_JOIN_NAME + 1},}$`;
const NO_JOIN: JsonObject = { properties: { join: { const: 0 } } };
