import { createHash } from 'node:crypto';
import { parseActions, parseWorkbook, parseWorkflows, validate } from '../../dsl/index.ts';
import type {
  ActionSpec,
  CallCheck,
  DocumentKind,
  DocumentOptions,
  InputParameter,
  WorkflowSpec,
} from '../../dsl/index.ts';
import { formatProblem, type Problem } from '../../dsl/errors.ts';
import { stringifyJson } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { pyStr } from '../../dsl/yaql/python-text.ts';
import type { ActionCatalogue } from '../contract.ts';
import type { ValidationMode } from '../config.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { silentLogger, type Logger } from '../log.ts';
import { storableText } from '../store/columns.ts';
import type { Store } from '../store/connection.ts';
import { storedActionNames } from '../store/definition-finder.ts';
import { deleteDefinition, findDefinition, findDefinitionById, raiseDefinitionsEpoch } from '../store/definitions.ts';
import type { AdHocActionRow, DefinitionTable, RowOf, Scope, WorkbookRow, WorkflowRow } from '../store/definitions.ts';
import { normalUuid } from '../store/filters.ts';
import { refuseWithTriggers } from '../store/triggers.ts';
import { checkOwner, checkScope, definitionNotFound } from './definition-rules.ts';
import { saveDefinitions } from './save-definitions.ts';
import type { Entry, SaveMode } from './save-definitions.ts';

export interface Place {
  readonly namespace: string;
  readonly scope: Scope;
  /** Take what can be built, if the operator allows that. */
  readonly skipValidation?: boolean;
}

/**
 * Changes of workbooks, workflows and ad-hoc actions: each call is one transaction, all or nothing (spec/dsl.md §15).
 * All reject with DslError for a text that is no valid definition, and with EngineError: CONFLICT for a name that is taken,
 * NOT_FOUND, FORBIDDEN.
 */
export interface Definitions {
  /** Also creates or updates its workflows and actions as `<book>.<entry>`. */
  createWorkbook(caller: Caller, text: string, place: Place): Promise<WorkbookRow>;
  updateWorkbook(caller: Caller, text: string, place: Place): Promise<WorkbookRow>;
  /** Its workflows and actions stay. */
  deleteWorkbook(caller: Caller, name: string, namespace: string): Promise<void>;
  createWorkflows(caller: Caller, text: string, place: Place): Promise<readonly WorkflowRow[]>;
  /** `identifier`, an id or a name: the text holds one workflow, which may bring a new name. */
  updateWorkflows(caller: Caller, text: string, place: Place, identifier?: string): Promise<readonly WorkflowRow[]>;
  deleteWorkflow(caller: Caller, identifier: string, namespace: string): Promise<void>;
  createActions(caller: Caller, text: string, place: Place): Promise<readonly AdHocActionRow[]>;
  updateActions(caller: Caller, text: string, place: Place, identifier?: string): Promise<readonly AdHocActionRow[]>;
  deleteAction(caller: Caller, identifier: string, namespace: string): Promise<void>;
  /** Everything that is wrong or doubtful in a text that this caller would store in the namespace; nothing is stored. */
  validate(caller: Caller, kind: DocumentKind, text: string, namespace: string): Promise<readonly Problem[]>;
}

export interface DefinitionsOptions {
  readonly store: Store;
  readonly catalogue: ActionCatalogue;
  /** Checks the parameters of calls of system actions whose name stands in the text. */
  readonly checkCall?: CallCheck;
  /** Whether uploads may go without checks, or always do; default: never. `validate` always checks. */
  readonly validationMode?: ValidationMode;
  /** Inline parameters that are lost refuse an upload. */
  readonly strict?: boolean;
  readonly now?: () => number;
  /** Hears of the warnings of what is stored. */
  readonly log?: Logger;
}

export function createDefinitions({
  store,
  catalogue,
  checkCall,
  validationMode = 'mandatory',
  strict = false,
  now = Date.now,
  log = silentLogger,
}: DefinitionsOptions): Definitions {
  const checks: DocumentOptions = {
    actions: catalogue.list().map(({ name }) => name),
    ...(checkCall === undefined ? {} : { checkCall }),
    strict,
  };
  const checksOf = ({ skipValidation = false }: Place): DocumentOptions => {
    const isSkipped = validationMode === 'disabled' || (validationMode === 'enabled' && skipValidation);
    return isSkipped ? { validate: false } : checks;
  };
  /** Without the warnings of actions that are not of the text or the system, but stored. */
  const withoutStored = async (
    problems: readonly Problem[],
    caller: Caller,
    namespace: string,
  ): Promise<readonly Problem[]> => {
    const called = new Set(problems.flatMap(({ unknownAction: name }) => (name === undefined ? [] : [name])));
    const names = [...called].filter((name) => catalogue.find(name) === undefined);
    const missing = new Set(names);
    for (const name of await storedActionNames(store.reader, names, namespace, caller.projectId)) missing.delete(name);
    return problems.filter(({ unknownAction: name }) => name === undefined || missing.has(name));
  };
  /** What is stored stays stored, whatever becomes of this. */
  const tell = async (
    found: readonly Problem[],
    table: DefinitionTable,
    name: string,
    caller: Caller,
    place: Place,
  ) => {
    if (found.length === 0) return;
    try {
      const warnings = await withoutStored(found, caller, place.namespace);
      if (warnings.length === 0) return;
      log.info(`The definition of ${table} has warnings.`, {
        definition: name,
        namespace: place.namespace,
        warnings: warnings.slice(0, MAX_TOLD).map(formatProblem),
        count: warnings.length,
      });
    } catch (error) {
      log.warn('The warnings of a definition cannot be told.', { definition: name, error });
    }
  };
  const save = async <T extends DefinitionTable>(
    table: T,
    mode: SaveMode,
    caller: Caller,
    place: Place,
    { entries, warnings }: Parsed,
  ): Promise<readonly RowOf[T][]> => {
    checkScope(caller, place.scope);
    if (table === 'actions') checkActionNames(catalogue, mode, entries);
    const rows = await store.writer.transaction(async (trx) => {
      // Writing first takes the lock at once, instead of failing to upgrade a read later.
      await raiseDefinitionsEpoch(trx);
      return saveDefinitions(trx, table, mode, { caller, ...place, now: now() }, entries);
    });
    await tell(warnings, table, entries.map(({ name }) => name).join(', '), caller, place);
    return rows;
  };
  const saveWorkbook = async (mode: SaveMode, caller: Caller, text: string, place: Place): Promise<WorkbookRow> => {
    checkScope(caller, place.scope);
    const { spec, definitions, warnings } = parseWorkbook(text, checksOf(place));
    const workflows = spec.workflows.map((workflow) =>
      workflowEntry(workflow, definitions.workflows.get(workflow.name) ?? '', spec.name),
    );
    const actions = spec.actions.map((action) =>
      actionEntry(action, definitions.actions.get(action.name) ?? '', spec.name),
    );
    checkActionNames(catalogue, { kind: 'upsert' }, actions);
    const saved = await store.writer.transaction(async (trx) => {
      await raiseDefinitionsEpoch(trx);
      const owner = { caller, ...place, now: now() };
      const book: Entry = {
        name: spec.name,
        raw: null,
        columns: { definition: storableText(text), tags: stringifyJson(spec.tags) },
      };
      const rows = await saveDefinitions(trx, 'workbooks', mode, owner, [book]);
      await saveDefinitions(trx, 'actions', { kind: 'upsert' }, owner, actions);
      await saveDefinitions(trx, 'workflows', { kind: 'upsert' }, owner, workflows);
      return onlyRow(rows);
    });
    await tell(warnings, 'workbooks', spec.name, caller, place);
    return saved;
  };
  const remove = async (
    table: DefinitionTable,
    caller: Caller,
    identifier: string,
    namespace: string,
  ): Promise<void> => {
    await store.writer.transaction(async (trx) => {
      await raiseDefinitionsEpoch(trx);
      const id = table === 'workbooks' ? null : normalUuid(identifier);
      const row =
        id === null
          ? await findDefinition(trx, table, caller, { name: identifier, namespace })
          : await findDefinitionById(trx, table, caller, id);
      if (row === undefined) throw definitionNotFound(table, identifier, namespace);
      checkOwner(table, caller, row, identifier, namespace);
      if (table === 'workflows') await refuseWithTriggers(trx, row);
      await deleteDefinition(trx, table, row.id);
    });
  };
  return {
    createWorkbook: (caller, text, place) => saveWorkbook({ kind: 'create' }, caller, text, place),
    updateWorkbook: (caller, text, place) => saveWorkbook({ kind: 'update' }, caller, text, place),
    deleteWorkbook: (caller, name, namespace) => remove('workbooks', caller, name, namespace),
    createWorkflows: async (caller, text, place) =>
      save('workflows', { kind: 'create' }, caller, place, parsedWorkflows(text, checksOf(place))),
    updateWorkflows: async (caller, text, place, identifier) =>
      save('workflows', updateMode('workflows', identifier), caller, place, parsedWorkflows(text, checksOf(place))),
    deleteWorkflow: (caller, identifier, namespace) => remove('workflows', caller, identifier, namespace),
    createActions: async (caller, text, place) =>
      save('actions', { kind: 'create' }, caller, place, parsedActions(text, checksOf(place))),
    updateActions: async (caller, text, place, identifier) =>
      save('actions', updateMode('actions', identifier), caller, place, parsedActions(text, checksOf(place))),
    deleteAction: async (caller, identifier, namespace) => {
      if (catalogue.find(identifier) !== undefined) {
        throw new EngineError('INVALID_INPUT', `Attempt to delete a system action: ${identifier}`);
      }
      await remove('actions', caller, identifier, namespace);
    },
    validate: (caller, kind, text, namespace) => withoutStored(validate(kind, text, checks), caller, namespace),
  };
}

function updateMode(table: 'workflows' | 'actions', identifier: string | undefined): SaveMode {
  return identifier === undefined ? { kind: 'update' } : { kind: 'update', identifier, plural: table };
}

/** A system action runs under its name; an ad-hoc action would hide it from every workflow (spec/dsl.md D-14.5). */
function checkActionNames(catalogue: ActionCatalogue, mode: SaveMode, entries: readonly Entry[]): void {
  for (const { name } of entries) {
    if (catalogue.find(name) === undefined) continue;
    if (mode.kind === 'update') {
      throw new EngineError('INVALID_INPUT', `Attempt to modify a system action: ${name}`);
    }
    throw new EngineError('CONFLICT', `A system action has the name '${name}'; give this one another name.`);
  }
}

/** How many warnings of one text stand in the log. */
const MAX_TOLD = 20;

interface Parsed {
  readonly entries: readonly Entry[];
  readonly warnings: readonly Problem[];
}

function parsedWorkflows(text: string, checks: DocumentOptions): Parsed {
  const { specs, definitions, warnings } = parseWorkflows(text, checks);
  return { entries: specs.map((spec) => workflowEntry(spec, definitions.get(spec.name) ?? '', null)), warnings };
}

/** Every action of a text keeps the whole text, unlike workflows (spec/rest-api.md §3.5). */
function parsedActions(text: string, checks: DocumentOptions): Parsed {
  const { specs, warnings } = parseActions(text, checks);
  return { entries: specs.map((spec) => actionEntry(spec, text, null)), warnings };
}

function workflowEntry(spec: WorkflowSpec, definition: string, workbookName: string | null): Entry {
  const stored = storableText(definition);
  return {
    name: workbookName === null ? spec.name : `${workbookName}.${spec.name}`,
    raw: spec.raw,
    columns: {
      definition: stored,
      tags: stringifyJson(spec.tags),
      workbook_name: workbookName,
      checksum: workbookName === null ? createHash('md5').update(stored).digest('hex') : null,
      input: spec.input.map(showWorkflowParameter).join(', '),
      interface: stringifyJson(interfaceOf(spec)),
    },
  };
}

function actionEntry(spec: ActionSpec, definition: string, workbookName: string | null): Entry {
  return {
    name: workbookName === null ? spec.name : `${workbookName}.${spec.name}`,
    raw: spec.raw,
    columns: {
      definition: storableText(definition),
      tags: stringifyJson(spec.tags),
      workbook_name: workbookName,
      description: spec.description === null ? null : storableText(spec.description),
      input: spec.input.map(showActionParameter).join(', '),
    },
  };
}

function showWorkflowParameter({ name, default: value }: InputParameter): string {
  return value === undefined ? name : `${name}="${pyStr(value)}"`;
}

/** `url, method="GET", params=null`: how the API shows parameters of actions (spec/rest-api.md §3.5). */
export function showActionParameter({ name, default: value }: InputParameter): string {
  return value === undefined ? name : `${name}=${stringifyJson(value)}`;
}

function interfaceOf(spec: WorkflowSpec): JsonObject {
  return {
    input: spec.input.map(({ name, default: value }) => (value === undefined ? name : { [name]: value })),
    output: Object.keys(spec.output ?? {}),
  };
}

function onlyRow<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new EngineError('INTERNAL', 'A saved definition has no row.');
  return row;
}
