import pc from 'picocolors';
import { isFinal } from '../../engine/core/model.ts';
import type { TaskRecord } from '../../engine/core/model.ts';
import type { Terminal } from '../terminal.ts';
import type { FollowedTask } from './follow.ts';

// More than this would push the finished ones off the screen.
const MOST_RUNNING = 10;

/**
 * The live list of tasks on standard error: a line for each finished task, which stays, and below them those that run, which are
 * drawn again and again where a person looks on.
 */
export class TaskLines {
  private readonly terminal: Terminal;
  private readonly quiet: boolean;
  private readonly colors: ReturnType<typeof pc.createColors>;
  private readonly finished = new Map<string, number>();
  private drawn = 0;

  constructor(terminal: Terminal, { quiet }: { readonly quiet: boolean }) {
    this.terminal = terminal;
    this.quiet = quiet;
    this.colors = pc.createColors(terminal.isInteractive);
  }

  show(tasks: readonly FollowedTask[]): void {
    if (this.quiet) return;
    this.clear();
    for (const followed of tasks) {
      const { id, state, updatedAt } = followed.task;
      // A task that is run again becomes final a second time.
      if (!isFinal(state) || this.finished.get(id) === updatedAt) continue;
      this.finished.set(id, updatedAt);
      this.write(this.line(followed));
    }
    if (this.terminal.isInteractive) this.drawRunning(tasks.filter(({ task }) => !isFinal(task.state)));
  }

  end(): void {
    if (!this.quiet) this.clear();
  }

  private drawRunning(running: readonly FollowedTask[]): void {
    const shown = running.slice(0, MOST_RUNNING);
    for (const followed of shown) this.write(this.line(followed));
    const more = running.length - shown.length;
    if (more > 0) this.write(this.colors.dim(`  … and ${more} more`));
    this.drawn = shown.length + (more > 0 ? 1 : 0);
  }

  private clear(): void {
    // Up to the first drawn line, and away with everything below.
    if (this.drawn > 0) this.terminal.err(`\u001b[${this.drawn}A\u001b[0J`);
    this.drawn = 0;
  }

  private write(line: string): void {
    this.terminal.err(`${line}\n`);
  }

  private line({ task, depth }: FollowedTask): string {
    const time = seconds(task).padStart(8);
    const state = task.state === 'SUCCESS' || task.state === 'RUNNING' ? '' : ` ${task.state}`;
    // A line that wraps is two lines, and the first one would stay when it is drawn again. Elsewhere all of it is of use.
    const room = this.terminal.isInteractive ? this.terminal.columns - 1 : Infinity;
    const used = time.length + 4 + state.length;
    const name = cut(`${'  '.repeat(depth)}${task.name}`, room - used);
    const rest = room - used - name.length - 1;
    const info = task.state === 'ERROR' && rest > 0 ? cut(firstLine(task.stateInfo ?? ''), rest) : '';
    return `${this.sign(task)} ${this.colors.dim(time)}  ${name}${state}${info === '' ? '' : ` ${this.colors.dim(info)}`}`;
  }

  private sign({ state }: TaskRecord): string {
    if (state === 'SUCCESS') return this.colors.green('✔');
    if (state === 'ERROR') return this.colors.red('✘');
    return isFinal(state) ? this.colors.yellow('–') : this.colors.cyan('●');
  }
}

function seconds({ startedAt, createdAt, finishedAt }: TaskRecord): string {
  const milliseconds = (finishedAt ?? Date.now()) - (startedAt ?? createdAt);
  return `${(Math.max(0, milliseconds) / 1000).toFixed(1)} s`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function cut(text: string, room: number): string {
  return text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text;
}
