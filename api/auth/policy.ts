import { isJsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { formatProblem } from '../../dsl/errors.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Identity } from './identity.ts';
import { DEFAULT_RULES } from './policy-rules.ts';

/**
 * Who may do what: rules in the notation of OpenStack's policy files, as the reference has them.
 *
 * A rule is `@` or empty (everybody), `!` (nobody), `role:NAME`, `is_admin:True`, `user_id:ID`, `project_id:ID`, `rule:NAME`, or
 * such joined by `and`, `or`, `not` and parentheses. `anonymous:True` is ours: nobody was authenticated.
 */
export interface Policy {
  isAdmin(identity: Identity): boolean;
  /** A rule that nobody knows is refused to everybody but administrators. */
  allows(rule: string, identity: Identity): boolean;
}

/** @throws EngineError INVALID_INPUT with a line for each fault of the file. */
export function parsePolicy(text: string, file: string): Policy {
  const problems = new Problems();
  const document = readYaml(text, problems);
  const rules: Record<string, string> = {};
  if (isJsonObject(document.value)) {
    for (const [name, value] of Object.entries(document.value)) {
      const place = { path: [name] };
      if (typeof value !== 'string') problems.error(place, `The rule '${name}' is no text`, 'write role:operator');
      else if (!Object.hasOwn(DEFAULT_RULES, name) && !isShared(name, text)) {
        const hint = problems.spelling.didYouMean(name, Object.keys(DEFAULT_RULES));
        problems.error({ ...place, at: 'key' }, `Unknown rule '${name}'`, hint ?? 'docs/authentication.md lists them');
      } else {
        rules[name] = value;
        const fault = faultOf(value);
        if (fault !== null) problems.error(place, `The rule '${name}' cannot be read: ${fault}`, 'write role:operator');
      }
    }
  } else if (document.value !== undefined && document.value !== null) {
    problems.error(
      { path: [] },
      'The policy is no mapping',
      'write one rule a line: "workflows:create": "role:author"',
    );
  }
  if (problems.sorted(document.locate).length === 0) checkReferences(rules, problems);
  const found = problems.sorted(document.locate);
  if (found.length > 0) {
    throw new EngineError('INVALID_INPUT', found.map((problem) => `${file}:${formatProblem(problem)}`).join('\n'));
  }
  return createPolicy(rules);
}

/** @param own rules that replace the usual ones. */
export function createPolicy(own: Readonly<Record<string, string>> = {}): Policy {
  const checks = new Map<string, Check>();
  for (const [name, text] of Object.entries({ ...DEFAULT_RULES, ...own })) checks.set(name, parseRule(text));
  // Neither rules nor identities change, and most identities come again with the next request.
  const judged = new WeakMap<Identity, Map<string, boolean>>();
  const judge = (rule: string, identity: Identity, decide: () => boolean): boolean => {
    let known = judged.get(identity);
    if (known === undefined) judged.set(identity, (known = new Map()));
    let verdict = known.get(rule);
    if (verdict === undefined) known.set(rule, (verdict = decide()));
    return verdict;
  };
  const isAdmin = (identity: Identity): boolean =>
    judge(ADMINISTRATORS, identity, () => holds(ADMINISTRATORS, { identity, isAdmin: false }, checks, 0));
  return {
    isAdmin,
    allows: (rule, identity) => {
      // Names of rules come from routes, of which there are so many and no more.
      if (rule === ADMINISTRATORS) return isAdmin(identity);
      return judge(rule, identity, () => {
        const context = { identity, isAdmin: isAdmin(identity) };
        return checks.has(rule) ? holds(rule, context, checks, 0) : context.isAdmin;
      });
    },
  };
}

/** Who is an administrator; it cannot ask that itself. */
const ADMINISTRATORS = 'context_is_admin';

interface Context {
  readonly identity: Identity;
  readonly isAdmin: boolean;
}

type Check =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'test'; readonly subject: string; readonly value: string }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'not'; readonly check: Check }
  | { readonly kind: 'and' | 'or'; readonly checks: readonly Check[] };

// Deeper than any real file; rules that name each other in a circle end here.
const MOST_NESTED = 50;

function holds(rule: string, context: Context, checks: ReadonlyMap<string, Check>, depth: number): boolean {
  const check = checks.get(rule);
  return check !== undefined && depth < MOST_NESTED && passes(check, context, checks, depth + 1);
}

function passes(check: Check, context: Context, checks: ReadonlyMap<string, Check>, depth: number): boolean {
  switch (check.kind) {
    case 'constant':
      return check.value;
    case 'rule':
      return holds(check.name, context, checks, depth);
    case 'not':
      return !passes(check.check, context, checks, depth);
    case 'and':
      return check.checks.every((part) => passes(part, context, checks, depth));
    case 'or':
      return check.checks.some((part) => passes(part, context, checks, depth));
    case 'test':
      return tests(check.subject, check.value, context);
  }
}

function tests(subject: string, value: string, { identity, isAdmin }: Context): boolean {
  switch (subject) {
    case 'role':
      return identity.roles.some((role) => role.toLowerCase() === value.toLowerCase());
    case 'is_admin':
      return isAdmin === (value.toLowerCase() === 'true' || value === '1');
    case 'anonymous':
      return identity.anonymous === (value.toLowerCase() === 'true');
    case 'user_id':
      return value === '%(user_id)s' || identity.userId === value;
    // What belongs to other projects is kept away by the queries themselves; the target of a rule is the caller's own.
    case 'project_id':
      return value === '%(project_id)s' || identity.projectId === value;
    default:
      return false;
  }
}

const SUBJECTS = ['role', 'is_admin', 'anonymous', 'user_id', 'project_id', 'rule'];

/** `a or b and not (c)`, where `and` binds tighter. @throws Error saying what is wrong. */
function parseRule(text: string): Check {
  const words = text.match(/\(|\)|[^\s()]*%\([^)]*\)s|[^\s()]+/g) ?? [];
  if (words.length === 0) return { kind: 'constant', value: true };
  let next = 0;
  const either = (): Check => joined('or', () => joined('and', single));
  const joined = (kind: 'and' | 'or', part: () => Check): Check => {
    const checks = [part()];
    while (words[next]?.toLowerCase() === kind) {
      next++;
      checks.push(part());
    }
    const [only] = checks;
    return checks.length === 1 && only !== undefined ? only : { kind, checks };
  };
  const single = (): Check => {
    const word = words[next++];
    if (word === undefined) throw new Error('it ends too early');
    if (word.toLowerCase() === 'not') return { kind: 'not', check: single() };
    if (word !== '(') return atom(word);
    const inside = either();
    if (words[next++] !== ')') throw new Error('a closing parenthesis is missing');
    return inside;
  };
  const check = either();
  if (next < words.length) throw new Error(`'${words[next]}' is not expected`);
  return check;
}

function atom(word: string): Check {
  if (word === '@' || word === '!') return { kind: 'constant', value: word === '@' };
  const [subject = '', value] = splitOnce(word);
  if (value === undefined || value === '') throw new Error(`'${word}' is no check`);
  if (!SUBJECTS.includes(subject)) throw new Error(`'${subject}' is none of ${SUBJECTS.join(', ')}`);
  return subject === 'rule' ? { kind: 'rule', name: value } : { kind: 'test', subject, value };
}

function splitOnce(word: string): readonly [string, string | undefined] {
  const colon = word.indexOf(':');
  return colon === -1 ? [word, undefined] : [word.slice(0, colon), word.slice(colon + 1)];
}

/** A rule that does not exist would be nobody's, and `not` of it everybody's; rules in a circle say nothing at all. */
function checkReferences(own: Readonly<Record<string, string>>, problems: Problems): void {
  const all: Readonly<Record<string, string>> = { ...DEFAULT_RULES, ...own };
  const named = (name: string): readonly string[] => rulesIn(parseRule(all[name] ?? ''));
  for (const name of Object.keys(own)) {
    for (const other of named(name)) {
      if (Object.hasOwn(all, other)) continue;
      const hint = problems.spelling.didYouMean(other, Object.keys(all));
      problems.error(
        { path: [name] },
        `The rule '${name}' names the rule '${other}', which does not exist`,
        hint ?? 'define it in this file',
      );
    }
    if (leadsTo(name, named(name), named)) {
      problems.error({ path: [name] }, `The rule '${name}' leads back to itself`, 'say what it is made of');
    }
  }
}

function leadsTo(name: string, from: readonly string[], named: (name: string) => readonly string[]): boolean {
  const seen = new Set<string>();
  for (const next = [...from]; next.length > 0; ) {
    const rule = next.pop() ?? '';
    if (rule === name) return true;
    if (seen.has(rule)) continue;
    seen.add(rule);
    next.push(...named(rule));
  }
  return false;
}

function rulesIn(check: Check): readonly string[] {
  switch (check.kind) {
    case 'rule':
      return [check.name];
    case 'not':
      return rulesIn(check.check);
    case 'and':
    case 'or':
      return check.checks.flatMap(rulesIn);
    default:
      return [];
  }
}

/** A name that other rules of the same file refer to. */
function isShared(name: string, text: string): boolean {
  return text.includes(`rule:${name}`);
}

function faultOf(text: string): string | null {
  try {
    parseRule(text);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
