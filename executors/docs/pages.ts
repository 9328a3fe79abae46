import { stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionDefinition } from '../../engine/contract.ts';

/** A page of docs/actions. */
export interface ActionPage {
  readonly file: string;
  readonly text: string;
}

/** Packs whose pages are in docs/actions. */
const DOCUMENTED: readonly string[] = ['std.', 'spark.', 'livy.', 'lighter.', 'mist.', 'flink.', 'cluster.'];

export function documentedPages(actions: readonly ActionDefinition[]): readonly ActionPage[] {
  return actionPages(actions.filter(({ name }) => DOCUMENTED.some((pack) => name.startsWith(pack))));
}

/**
 * The reference of actions in Markdown, from their declarations alone: a page for each of them, single calls of other servers' APIs by group, and a
 * list of all.
 */
export function actionPages(actions: readonly ActionDefinition[]): readonly ActionPage[] {
  const byPage = new Map<string, ActionDefinition[]>();
  for (const action of actions) {
    const page = pageOf(action.name);
    byPage.set(page, [...(byPage.get(page) ?? []), action]);
  }
  const pages = [...byPage].map(([page, own]): ActionPage => ({ file: `${page}.md`, text: textOf(page, own) }));
  return [...pages, { file: 'README.md', text: listOf(actions) }];
}

/** `flink.jobs.get` stands on the page of `flink.jobs`, as its many brothers do; every other action has its own. */
function pageOf(name: string): string {
  const [pack = '', group = '', ...call] = name.split('.');
  return call.length > 0 && name !== `spark.session.${call.join('.')}` ? `${pack}.${group}.rest` : name;
}

function textOf(page: string, actions: readonly ActionDefinition[]): string {
  const [only] = actions;
  if (actions.length === 1 && only !== undefined) return `${NOTE}# ${only.name}\n\n${body(only)}`;
  const title = page.replace(/\.rest$/, '.*');
  const links = actions.map(({ name }) => `- [${name}](#${anchorOf(name)})`).join('\n');
  return `${NOTE}# ${title}\n\n${links}\n\n${actions.map((action) => `## ${action.name}\n\n${body(action)}`).join('\n')}`;
}

function body(action: ActionDefinition): string {
  return [
    `${action.description}\n`,
    inputsOf(action),
    `**Result:** ${action.result.description}\n`,
    ...(action.result.schema === undefined ? [] : [fieldsOf(action.result.schema)]),
    ...action.examples.map(({ title, yaml }) => `**Example:** ${title}\n\n\`\`\`yaml\n${yaml}\`\`\`\n`),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function inputsOf({ parameters }: ActionDefinition): string {
  const rows = Object.entries(parameters.properties).map(([name, schema]) => {
    const isRequired = parameters.required.includes(name);
    return `| \`${name}\`${isRequired ? ' (required)' : ''} | ${typeOf(schema)} | ${about(schema)} |`;
  });
  if (rows.length === 0) return 'It takes no inputs.\n';
  const more = parameters.additionalProperties ? '\nAny further input is taken as well.\n' : '';
  return `| Input | Type | |\n|---|---|---|\n${rows.join('\n')}\n${more}`;
}

function fieldsOf(schema: JsonObject): string {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const rows = Object.entries(properties).map(([name, one]) => {
    const own = isObject(one) ? one : {};
    return `| \`${name}\` | ${typeOf(own)} | ${about(own)} |`;
  });
  return rows.length === 0 ? '' : `| Field | Type | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function listOf(actions: readonly ActionDefinition[]): string {
  const rows = actions.map(({ name, description }) => {
    const page = pageOf(name);
    const link = page === name ? `${page}.md` : `${page}.md#${anchorOf(name)}`;
    return `| [${name}](${link}) | ${cell(description)} |`;
  });
  return `${NOTE}# Actions\n\n| Action | |\n|---|---|\n${rows.join('\n')}\n`;
}

function typeOf(schema: JsonObject): string {
  const types = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? ['any'] : [schema.type];
  const names = types.filter((type) => type !== 'null').map(String);
  const choices = Array.isArray(schema.enum) ? ` (${schema.enum.map((one) => `\`${String(one)}\``).join(', ')})` : '';
  return `${names.join(' or ')}${choices}`;
}

function about(schema: JsonObject): string {
  const description = typeof schema.description === 'string' ? schema.description : '';
  const byDefault = schema.default === undefined ? '' : `Default: \`${stringifyJson(schema.default as Json)}\`.`;
  return cell([description, byDefault].filter((part) => part !== '').join(' '));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function anchorOf(name: string): string {
  return name.replaceAll('.', '').toLowerCase();
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const NOTE = '<!-- Made from the declarations of the actions by scripts/action-docs.mjs. -->\n\n';
