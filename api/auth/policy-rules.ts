/** The rules of the reference, and which of them a route is under. */

const ADMIN = 'rule:admin_only';
const OWNER = 'rule:admin_or_owner';

/** What holds unless a policy file says otherwise: spec/rest-api.md §2.9. */
export const DEFAULT_RULES: Readonly<Record<string, string>> = {
  context_is_admin: 'role:admin',
  admin_only: 'is_admin:True',
  // What belongs to other projects is kept away by every query, so that any caller is the owner of what he sees.
  admin_or_owner: 'is_admin:True or project_id:%(project_id)s',
  ...rules('workbooks', ['create', 'delete', 'get', 'list', 'update', 'validate'], OWNER),
  'workbooks:publicize': ADMIN,
  ...rules('workflows', ['create', 'delete', 'get', 'list', 'update', 'validate'], OWNER),
  'workflows:publicize': ADMIN,
  'workflows:list:all_projects': ADMIN,
  ...rules('members', ['create', 'delete', 'get', 'list', 'update'], OWNER),
  ...rules('actions', ['create', 'delete', 'get', 'list', 'update', 'validate'], OWNER),
  'actions:publicize': ADMIN,
  ...rules('executions', ['create', 'delete', 'get', 'list', 'update'], OWNER),
  'executions:list:all_projects': ADMIN,
  ...rules('tasks', ['get', 'list', 'update'], OWNER),
  ...rules('action_executions', ['create', 'delete', 'get', 'list', 'update'], OWNER),
  ...rules('cron_triggers', ['create', 'delete', 'get', 'list'], OWNER),
  'cron_triggers:publicize': ADMIN,
  'cron_triggers:list:all_projects': ADMIN,
  ...rules('event_triggers', ['create', 'delete', 'get', 'list', 'update'], OWNER),
  'event_triggers:publicize': ADMIN,
  'event_triggers:list:all_projects': ADMIN,
  ...rules('environments', ['create', 'delete', 'get', 'list', 'update'], OWNER),
  'environments:publicize': ADMIN,
  ...rules('code_sources', ['create', 'delete', 'get', 'list', 'update'], ADMIN),
  'code_sources:publicize': ADMIN,
  ...rules('dynamic_actions', ['create', 'delete', 'get', 'list', 'update'], ADMIN),
  'dynamic_actions:publicize': ADMIN,
  ...rules('files', ['create', 'delete', 'get', 'list'], OWNER),
  ...rules('services', ['list'], OWNER),
  ...rules('clusters', ['get', 'list', 'operate'], OWNER),
  'clusters:administrate': ADMIN,
  ...rules('events', ['create', 'list'], OWNER),
  'maintenance:get': OWNER,
  // Without authentication nobody could be told from an administrator, and the reference lets everybody.
  'maintenance:update': 'is_admin:True or anonymous:True',
  'metrics:get': OWNER,
};

function rules(resource: string, verbs: readonly string[], check: string): Readonly<Record<string, string>> {
  return Object.fromEntries(verbs.map((verb) => [`${resource}:${verb}`, check]));
}

/** The rule of a route: `workflows:create` for POST of `/v2/workflows`. null: it is open to whoever got this far. */
export function ruleOf(method: string, path: string): string | null {
  const key = `${method} ${path}`;
  let rule = ruled.get(key);
  if (rule === undefined) {
    rule = findRule(method, path);
    // Paths are those of routes, so there are so many and no more; should somebody ask otherwise, it stays bounded all the same.
    if (ruled.size < MOST_RULED) ruled.set(key, rule);
  }
  return rule;
}

const ruled = new Map<string, string | null>();
const MOST_RULED = 1000;

function findRule(method: string, path: string): string | null {
  const parts = path
    .replace(/^\/v2(?=\/|$)/, '')
    .split('/')
    .filter((part) => part !== '');
  const [first] = parts;
  if (first === undefined) return null;
  const names = parts.filter((part) => !part.startsWith(':'));
  const last = names.at(-1) ?? first;
  if (last === 'validate') return `${first}:validate`;
  // Whoever has the link may follow it.
  if (first === 'file_links') return null;
  if (first === 'services') return 'services:list';
  if (first.startsWith('cluster')) return `clusters:${CLUSTER_RULES[first] ?? 'operate'}`;
  const [resource, isItem] = names.length === 1 ? [first, parts.length > 1] : subResource(first, last, parts);
  return `${resource}:${verbOf(method, isItem || SINGLE.has(resource))}`;
}

/** By the path, since both verbs do the same (spec/cluster.md §1.1). */
const CLUSTER_RULES: Readonly<Record<string, string>> = {
  cluster: 'get',
  clusters: 'list',
  cluster_pools: 'list',
  cluster_leases: 'list',
};

/** Things that there is one of: no list. */
const SINGLE: ReadonlySet<string> = new Set(['maintenance', 'metrics']);

const LISTS_BELOW: Readonly<Record<string, string>> = {
  tasks: 'tasks',
  executions: 'executions',
  workflow_executions: 'executions',
  action_executions: 'action_executions',
  members: 'members',
};

/** What lies below an item: a list of another resource, or a view of the item itself such as `report`. */
function subResource(first: string, last: string, parts: readonly string[]): readonly [string, boolean] {
  const below = LISTS_BELOW[last];
  if (below === undefined) return [first, true];
  return [below, parts.at(-1)?.startsWith(':') === true];
}

function verbOf(method: string, isItem: boolean): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
    case 'PATCH':
      return 'update';
    case 'DELETE':
      return 'delete';
    default:
      return isItem ? 'get' : 'list';
  }
}
