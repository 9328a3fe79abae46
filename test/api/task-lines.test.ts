import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import { TaskLines } from '../../api/commands/task-lines.ts';
import type { FollowedTask } from '../../api/commands/follow.ts';
import type { ExecutionId, State, TaskExecutionId } from '../../engine/core/model.ts';

const COLUMNS = 40;

test('on a terminal finished tasks stay, and those that run are drawn again below them', (t) => {
  const screen = new Screen();
  const lines = new TaskLines(terminalOn(screen, true), { quiet: false });
  lines.show([task('a', 'RUNNING'), task('b', 'RUNNING'), task('c', 'IDLE')]);
  t.deepEqual(screen.shown(), ['●    2.0 s  a', '●    2.0 s  b', '●    2.0 s  c IDLE']);
  lines.show([task('a', 'SUCCESS'), task('b', 'RUNNING'), task('c', 'RUNNING')]);
  t.deepEqual(screen.shown(), ['✔    2.0 s  a', '●    2.0 s  b', '●    2.0 s  c']);
  lines.show([task('a', 'SUCCESS'), task('b', 'ERROR', { info: 'no such table\nat line 2' }), task('c', 'RUNNING')]);
  t.deepEqual(screen.shown(), ['✔    2.0 s  a', '✘    2.0 s  b ERROR no such table', '●    2.0 s  c']);
  lines.end();
  t.deepEqual(screen.shown(), ['✔    2.0 s  a', '✘    2.0 s  b ERROR no such table']);
});

test('of many running tasks ten are drawn, and a name or reason longer than the line is cut, so that all can be taken away', (t) => {
  const screen = new Screen();
  const lines = new TaskLines(terminalOn(screen, true), { quiet: false });
  const running = Array.from({ length: 13 }, (_, i) => task(`${i}-${'long'.repeat(i)}`, 'RUNNING', { depth: i % 4 }));
  lines.show(running);
  t.is(screen.shown().length, 11);
  t.is(screen.shown()[10], '  … and 3 more');
  lines.show([task('x'.repeat(60), 'ERROR', { info: 'y'.repeat(60) }), ...running.slice(0, 2)]);
  t.is(screen.shown().length, 3, screen.shown().join('\n'));
  t.true(screen.shown().every((line) => line.length < COLUMNS));
  lines.end();
  t.is(screen.shown().length, 1);
});

test('elsewhere only finished tasks are printed, once for each end and without colours; quiet prints nothing', (t) => {
  let printed = '';
  const terminal = { ...terminalOn(new Screen(), false), err: (text: string) => void (printed += text) };
  const lines = new TaskLines(terminal, { quiet: false });
  lines.show([task('a', 'ERROR', { info: 'z'.repeat(60) }), task('b', 'RUNNING')]);
  lines.show([task('a', 'ERROR'), task('b', 'RUNNING')]);
  lines.show([task('a', 'SUCCESS', { updatedAt: 9 }), task('b', 'SKIPPED')]);
  lines.end();
  t.is(printed, `✘    2.0 s  a ERROR ${'z'.repeat(60)}\n✔    2.0 s  a\n–    2.0 s  b SKIPPED\n`);

  printed = '';
  const quiet = new TaskLines({ ...terminal, isInteractive: true }, { quiet: true });
  quiet.show([task('a', 'RUNNING'), task('b', 'SUCCESS')]);
  quiet.end();
  t.is(printed, '');
});

/** What a terminal of so many columns shows after what was written: new lines, up, erase below, and lines that wrap. */
class Screen {
  private readonly rows: string[] = [];
  private row = 0;

  write(text: string): void {
    const up = '\u001b\\[(\\d+)A';
    for (const [piece, lines] of text.matchAll(
      new RegExp(`${up}|\u001b\\[0J|\n|[^\n\u001b]+|\u001b\\[[0-9;]*m`, 'g'),
    )) {
      if (lines !== undefined) this.row -= Number(lines);
      else if (piece.endsWith('[0J')) this.rows.length = this.row;
      else if (piece === '\n') this.row += 1;
      else this.put(stripVTControlCharacters(piece));
    }
  }

  shown(): readonly string[] {
    return this.rows;
  }

  private put(text: string): void {
    let line = (this.rows[this.row] ?? '') + text;
    for (; line.length > COLUMNS; line = line.slice(COLUMNS)) this.rows[this.row++] = line.slice(0, COLUMNS);
    this.rows[this.row] = line;
  }
}

function terminalOn(screen: Screen, isInteractive: boolean) {
  return {
    environment: {},
    isInteractive,
    columns: COLUMNS,
    out: () => {},
    err: (text: string) => screen.write(text),
    stopped: new Promise<NodeJS.Signals>(() => {}),
  };
}

interface Details {
  readonly info?: string;
  readonly depth?: number;
  readonly updatedAt?: number;
}

function task(name: string, state: State, { info, depth = 0, updatedAt = 1 }: Details = {}): FollowedTask {
  const isFinal = state === 'SUCCESS' || state === 'ERROR' || state === 'SKIPPED';
  const begun = isFinal ? 1000 : Date.now() - 2000;
  return {
    task: {
      id: `id-${name}` as TaskExecutionId,
      executionId: 'e' as ExecutionId,
      name,
      type: 'ACTION',
      state,
      stateInfo: info ?? null,
      uniqueKey: null,
      context: { base: null, own: {}, versions: {} },
      published: null,
      publishedGlobal: null,
      runtimeContext: {},
      items: null,
      processed: isFinal,
      hasNextTasks: false,
      nextTasks: null,
      errorHandled: false,
      tags: [],
      createdAt: begun,
      updatedAt,
      startedAt: begun,
      finishedAt: isFinal ? 3000 : null,
    },
    workflow: 'w',
    depth,
    failures: [],
  };
}
