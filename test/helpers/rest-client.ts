/** A refusal by the server, with its `faultstring`. */
export class RestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'RestError';
    this.status = status;
  }
}

export interface ExecutionRecord {
  readonly id: string;
  readonly workflow_name: string;
  readonly state: string;
  readonly state_info: string | null;
  /** JSON text. */
  readonly output: string | null;
}

export interface TaskRecord {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly state_info: string | null;
}

export interface ActionExecutionRecord {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** JSON text. */
  readonly output: string | null;
}

/** The calls of the Mistral API v2 that the demo and the tests need. Every call rejects with a {@link RestError} from 400 up. */
export class RestClient {
  readonly #base: string;

  /** @param url the server, without `/v2` */
  constructor(url: string) {
    this.#base = `${url}/v2`;
  }

  async createWorkbook(text: string): Promise<void> {
    await this.#call('POST', '/workbooks', { text });
  }

  async createWorkflows(text: string): Promise<void> {
    await this.#call('POST', '/workflows', { text });
  }

  async startExecution(workflow: string, input: object): Promise<ExecutionRecord> {
    return (await this.#call('POST', '/executions', { json: { workflow_name: workflow, input } })) as ExecutionRecord;
  }

  async execution(id: string): Promise<ExecutionRecord> {
    return (await this.#call('GET', `/executions/${id}`)) as ExecutionRecord;
  }

  async executions(): Promise<readonly ExecutionRecord[]> {
    return ((await this.#call('GET', '/executions')) as { executions: ExecutionRecord[] }).executions;
  }

  /** All executions that a task of this execution started. */
  async children(taskId: string): Promise<readonly ExecutionRecord[]> {
    const body = (await this.#call('GET', `/executions?task_execution_id=${taskId}`)) as {
      executions: ExecutionRecord[];
    };
    return body.executions;
  }

  async cancel(id: string, why: string): Promise<void> {
    await this.#call('PUT', `/executions/${id}`, { json: { state: 'CANCELLED', state_info: why } });
  }

  /** In the order of their start. */
  async tasks(executionId: string): Promise<readonly TaskRecord[]> {
    const body = (await this.#call('GET', `/executions/${executionId}/tasks`)) as { tasks: TaskRecord[] };
    return body.tasks;
  }

  async actions(taskId: string): Promise<readonly ActionExecutionRecord[]> {
    const body = (await this.#call('GET', `/tasks/${taskId}/action_executions?include_output=true`)) as {
      action_executions: ActionExecutionRecord[];
    };
    return body.action_executions;
  }

  async #call(method: string, path: string, body: { text?: string; json?: object } = {}): Promise<unknown> {
    const response = await fetch(this.#base + path, {
      method,
      ...(body.text !== undefined && { body: body.text, headers: { 'content-type': 'text/plain' } }),
      ...(body.json !== undefined && {
        body: JSON.stringify(body.json),
        headers: { 'content-type': 'application/json' },
      }),
    });
    const answer: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new RestError(response.status, `${method} ${path}: ${response.status} ${faultOf(answer)}`);
    return answer;
  }
}

function faultOf(answer: unknown): string {
  return typeof answer === 'object' && answer !== null && 'faultstring' in answer ? String(answer.faultstring) : '';
}
