/** What must be ended when the demo ends, in whatever way: last in, first out, each once. */
export class Cleanup {
  readonly #steps: { readonly what: string; readonly end: () => Promise<unknown> }[] = [];
  #running: Promise<void> | null = null;

  add(what: string, end: () => Promise<unknown>): void {
    this.#steps.push({ what, end });
  }

  /** A second call waits for the first. A step that fails is reported and does not keep the others from running. */
  run(): Promise<void> {
    this.#running ??= this.#runSteps();
    return this.#running;
  }

  async #runSteps(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step.end().catch((error: unknown) => console.error(`Could not end ${step?.what}: ${String(error)}`));
    }
  }
}

/**
 * Turns Ctrl-C, a hang-up of the terminal and SIGTERM into an abort of the returned signal; `interrupted` runs once.
 * A second Ctrl-C ends the program at once.
 */
export function abortOnSignals(interrupted: (signal: NodeJS.Signals) => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted && signal === 'SIGINT') process.exit(130);
      if (controller.signal.aborted) return;
      controller.abort();
      interrupted(signal);
    });
  }
  return controller.signal;
}
