import type { Json, JsonObject } from './json.ts';
import {
  ACTION,
  DIRECT_TASK,
  type ListShape,
  type MappingShape,
  REVERSE_TASK,
  type Shape,
  TASK_DEFAULTS,
  type TextShape,
  WORKBOOK,
  WORKFLOW,
} from './spec/shape.ts';

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
      directTask: schemaOf(DIRECT_TASK),
      reverseTask: schemaOf(REVERSE_TASK),
      taskDefaults: schemaOf(TASK_DEFAULTS),
      action: schemaOf(ACTION),
    },
  };
}

function workbookSchema(): JsonObject {
  const schema = schemaOf(WORKBOOK);
  return withProperties(schema, {
    version: { $ref: '#/$defs/version' },
    workflows: sectionSchema(schema, 'workflows', 'workflow'),
    actions: sectionSchema(schema, 'actions', 'action'),
  });
}

function sectionSchema(workbook: JsonObject, section: string, entry: string): JsonObject {
  const own = propertyOf(workbook, section);
  return withProperties(
    { ...own, additionalProperties: { $ref: `#/$defs/${entry}` } },
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
    additionalProperties: { $ref: `#/$defs/${entry}` },
  };
}

/** The type of a workflow decides what its tasks may hold. */
function workflowSchema(): JsonObject {
  const schema = schemaOf(WORKFLOW);
  const tasks = propertyOf(schema, 'tasks');
  const tasksOf = (task: string): JsonObject => ({
    properties: { tasks: { additionalProperties: { $ref: `#/$defs/${task}` } } },
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
  return {
    type: 'string',
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
    ...(mapping.others?.names?.pattern === undefined ? {} : { propertyNames: { pattern: ENTRY_NAME } }),
    additionalProperties: mapping.others === undefined ? (mapping.open ?? false) : schemaOf(mapping.others.shape),
  };
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
const SINGLE_EXPRESSION = String.raw`^(?:<%.*?%>|\{\{.*?\}\})\s*$`;
// The schema's patterns know no classes for the letters of all scripts everywhere; a dot and a blank are what must not be there.
const ENTRY_NAME = String.raw`^[^.\s]+$`;
