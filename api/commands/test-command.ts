import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import pc from 'picocolors';
import type { FoundWorkflow } from '../../engine/core/env.ts';
import { createCatalogue } from '../../executors/index.ts';
import { complaintsAbout } from '../simulation/compare.ts';
import { readLibrary } from '../simulation/library.ts';
import { type Library, simulate } from '../simulation/simulation.ts';
import { isTestFile, readTestFile, type TestCase } from '../simulation/test-file.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { choose } from './program.ts';
import { readTextFile } from './settings.ts';

/** Runs the tests of the files and prints what is not as expected. */
export function testCommand(files: readonly string[], terminal: Terminal): ExitCode {
  const colors = pc.createColors(terminal.isInteractive);
  const start = performance.now();
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    const path = testFileFor(file);
    const { definition, library, tests } = load(path, terminal);
    if (files.length > 1) terminal.out(`${path}\n`);
    for (const test of tests) {
      const complaints = runTest(test, definition, library);
      if (complaints.length === 0) passed++;
      else failed++;
      terminal.out(`${complaints.length === 0 ? colors.green('✔') : colors.red('✘')} ${test.name}\n`);
      for (const complaint of complaints) terminal.out(`    ${complaint}\n`);
    }
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const summary = failed === 0 ? `${passed} passed` : `${failed} failed, ${passed} passed`;
  terminal.err(`${failed === 0 ? colors.green(summary) : colors.red(summary)} ${colors.dim(`in ${seconds} s`)}\n`);
  return failed === 0 ? 0 : 1;
}

/** A workflow's tests may be asked for by its own name. */
function testFileFor(file: string): string {
  if (isTestFile(readTextFile(file))) return file;
  const beside = [file.replace(/\.ya?ml$/, '.test.yaml'), join(dirname(file), 'test.yaml')];
  const isItsOwn = basename(file) === 'test.yaml' || /\.test\.ya?ml$/.test(file);
  const found = isItsOwn ? file : beside.find((path) => existsSync(path));
  if (found === undefined)
    throw new UsageError(
      `${file} holds no tests, and beside it there is neither ${beside.map((path) => basename(path)).join(' nor ')}`,
    );
  return found;
}

interface Loaded {
  readonly definition: string;
  readonly library: Library;
  readonly tests: readonly TestCase[];
}

function load(path: string, terminal: Terminal): Loaded {
  const { file, uses, tests } = readTestFile(path, readTextFile(path));
  const folder = dirname(path);
  const definition = file === null ? definitionBeside(path) : join(folder, file);
  const paths = [definition, ...uses.map((other) => join(folder, other))];
  const library = readLibrary(
    paths.map((other) => ({ path: other, text: readTextFile(other) })),
    createCatalogue(),
    terminal,
  );
  return { definition, library, tests };
}

function definitionBeside(path: string): string {
  const names = [basename(path).replace(/\.test(\.ya?ml)$/, '$1'), 'workflow.yaml', 'workbook.yaml'];
  const found = names
    .filter((name) => name !== basename(path))
    .map((name) => join(dirname(path), name))
    .find((other) => existsSync(other));
  if (found !== undefined) return found;
  throw new UsageError(
    `${path}: name the workflow's file with 'file', as there is no workflow.yaml or workbook.yaml beside it`,
  );
}

function runTest(test: TestCase, definition: string, library: Library): readonly string[] {
  const { input, env, task, mocks, expect } = test;
  const workflow = find(test, definition, library);
  const params = { ...(env === null ? {} : { env }), ...(task === null ? {} : { task_name: task }) };
  return complaintsAbout(simulate(library, { workflow, input, params, mocks }), expect);
}

/** By its full name, or by the short one that it has in its workbook. */
function find({ workflow: wanted }: TestCase, definition: string, library: Library): FoundWorkflow {
  const shortName = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
  const known = [...library.workflows.values()];
  const byName = wanted === null ? undefined : known.find(({ name }) => name === wanted || shortName(name) === wanted);
  if (byName !== undefined) return byName;
  const name = choose(
    definition,
    known.map((workflow) => workflow.name),
    wanted,
  );
  const found = library.workflows.get(name);
  if (found === undefined) throw new UsageError(`there is no workflow '${name}'`);
  return found;
}
