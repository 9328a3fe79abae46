import { isJsonObject, type Json } from '../../dsl/json.ts';
import { differences, show } from './differences.ts';
import type { SimulatedRun, SimulatedTask } from './simulation.ts';
import type { Expectation, PathStep, PathTask } from './test-file.ts';

/** Where the run is not as expected, a line each; empty when it is. */
export function complaintsAbout(run: SimulatedRun, expect: Expectation): readonly string[] {
  if (run.faults.length > 0) return run.faults;
  const { state, info, path, tasks, output, seconds } = expect;
  const fields: readonly (readonly [string, Json | undefined, Json])[] = [
    ['state', state, run.state],
    ['info', info, run.stateInfo],
    ['output', output, run.output],
    ['seconds', seconds, run.seconds],
  ];
  const complaints = [
    ...fields.flatMap(([name, wanted, got]) => (wanted === undefined ? [] : differences(wanted, got, name))),
    ...(path === undefined
      ? []
      : pathDifferences(
          path,
          run.tasks.filter(({ isOwn, isStarted }) => isOwn && isStarted),
        )),
    ...Object.entries(tasks).flatMap(([name, wanted]) => taskDifferences(name, wanted, run.tasks)),
  ];
  const isEndExplained = complaints.length > 0 && run.stateInfo !== null && info === undefined;
  return isEndExplained
    ? [...complaints, `the workflow ended in ${run.state}: ${onOneLine(run.stateInfo)}`]
    : complaints;
}

function onOneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' | ');
}

function pathDifferences(expected: readonly PathStep[], tasks: readonly SimulatedTask[]): string[] {
  let at = 0;
  for (const step of expected) {
    const got = tasks.slice(at, at + step.length);
    if (!fits(step, got)) return [`path: differs at ${at + 1}`, ...bothPaths(expected, tasks)];
    at += step.length;
  }
  return at === tasks.length ? [] : [`path: goes on at ${at + 1}`, ...bothPaths(expected, tasks)];
}

function fits(step: PathStep, got: readonly SimulatedTask[]): boolean {
  const left = [...got];
  for (const wanted of step) {
    const at = left.findIndex((task) => isTask(wanted, task));
    if (at === -1) return false;
    left.splice(at, 1);
  }
  return got.length === step.length;
}

function isTask({ name, state }: PathTask, task: SimulatedTask): boolean {
  return name === task.path && (state === null || state === task.state);
}

function bothPaths(expected: readonly PathStep[], tasks: readonly SimulatedTask[]): string[] {
  const text = ({ name, state }: PathTask): string => (state === null ? name : `${name} ${state}`);
  const steps = expected.map((step) =>
    step.length === 1 ? step.map(text).join('') : `{${step.map(text).join(', ')}}`,
  );
  const got = tasks.map(({ path, state }) => (state === 'SUCCESS' ? path : `${path} ${state}`));
  return [`  expected  ${steps.join(' → ') || '(no task)'}`, `  got       ${got.join(' → ') || '(no task)'}`];
}

function taskDifferences(name: string, expected: Json, tasks: readonly SimulatedTask[]): string[] {
  if (!isJsonObject(expected)) return [];
  const runs = tasks.filter(({ path }) => path === name);
  const last = runs.at(-1);
  const { runs: wantedRuns, ...wanted } = expected;
  const counted = wantedRuns === undefined ? [] : differences(wantedRuns, runs.length, `tasks.${name}.runs`);
  if (last === undefined) {
    const others = [...new Set(tasks.map(({ path }) => path))].join(', ');
    return Object.keys(wanted).length === 0
      ? counted
      : [...counted, `tasks.${name}: it did not run; these did: ${others || 'none'}`];
  }
  const got: Readonly<Record<string, Json>> = {
    state: last.state,
    info: last.stateInfo,
    published: last.published,
    result: last.result,
  };
  const found = Object.entries(wanted).flatMap(([key, value]) =>
    differences(value ?? null, got[key] ?? null, `tasks.${name}.${key}`),
  );
  const isFailureHidden = found.length > 0 && last.state === 'ERROR' && !Object.hasOwn(wanted, 'info');
  return [...counted, ...found, ...(isFailureHidden ? [`  ${name} failed: ${show(last.stateInfo)}`] : [])];
}
