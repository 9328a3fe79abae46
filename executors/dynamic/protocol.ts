/** What the executor and the process of a module say to each other, as JSON text. */
export type ModuleRequest =
  | { readonly kind: 'describe'; readonly content: string }
  | {
      readonly kind: 'run';
      readonly content: string;
      readonly className: string;
      /** JSON text. */
      readonly input: string;
      readonly context: ModuleContext;
    };

/** What an action is told of its run. */
export interface ModuleContext {
  readonly actionExecutionId: string;
  readonly taskExecutionId: string | null;
  readonly taskName: string | null;
  readonly workflowExecutionId: string | null;
  readonly workflowName: string | null;
  readonly projectId: string;
  /** Relative to the API's address: where an asynchronous action is completed. */
  readonly callbackUrl: string;
}

export type ModuleOutcome =
  | { readonly kind: 'described'; readonly exports: readonly DescribedExport[] }
  /** JSON text. */
  | { readonly kind: 'value'; readonly json: string }
  /** The action threw a value of its own: JSON text of the error's data. */
  | { readonly kind: 'failed'; readonly json: string }
  /** It threw an Error, or cannot be run at all. */
  | { readonly kind: 'raised'; readonly message: string };

export interface DescribedExport {
  readonly name: string;
  readonly description: string | null;
  /** Names, or {name: default}; null when the module does not say. */
  readonly input: readonly (string | { readonly [name: string]: unknown })[] | null;
  readonly isAsync: boolean;
}
