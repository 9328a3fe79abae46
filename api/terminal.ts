/** What the commands see of the process that they run in. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Colours and live lists only where a person looks on. */
  readonly isInteractive: boolean;
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
  /** Resolves at the first signal to stop; a second one ends the process at once. */
  readonly stopped: Promise<NodeJS.Signals>;
}

/** 0: done; 1: it failed; 2: the command itself is wrong. */
export type ExitCode = 0 | 1 | 2 | 130;
