/** What {@link ./libsql-connection.ts} and its worker thread say to each other. */

export type SqlValue = null | number | bigint | string | Uint8Array;

export interface WorkerRequest {
  readonly id: number;
  readonly call: 'all' | 'run' | 'close';
  readonly sql: string;
  readonly bindings: readonly SqlValue[];
}

export type WorkerReply =
  /** `id` 0 tells whether the file could be opened. */
  | {
      readonly id: number;
      readonly ok: true;
      readonly rows: readonly unknown[];
      readonly changes: number;
      readonly lastID: number;
    }
  | { readonly id: number; readonly ok: false; readonly message: string; readonly code: string };
