import type { JsonObject } from '../../dsl/json.ts';
import type { JobAction } from '../action.ts';
import type { JobBackend } from '../jobs/backend.ts';
import { COMMON_RESULT } from './result-schema.ts';
import { SERVER_INPUTS } from './systems/servers.ts';

/** spec/spark.md §8.3. */
export function sparkSubmit(backend: JobBackend, ways: Pick<JobAction, 'others' | 'choose'> = {}): JobAction {
  return {
    name: 'spark.submit',
    description:
      "Runs an application with spark-submit on the executor's host, or through a server for Spark jobs (`via`), and waits for its end. The run outlives a restart of the server; it is never started twice.",
    kind: 'job',
    repeatSafe: true,
    parameters: { type: 'object', properties: PROPERTIES, required: ['application'], additionalProperties: false },
    result: {
      description:
        "What is known of the run; `result` is the job's own value, the JSON of its last line `::result <JSON>` on stdout.",
      schema: COMMON_RESULT,
    },
    examples: [
      {
        title: 'A Python script whose result the next task uses',
        yaml: 'count:\n  action: spark.submit\n  input:\n    master: local[2]\n    application: /srv/jobs/count.py\n    args: {input: <% $.file %>}\n    timeout: 3600\n  publish:\n    words: <% task().result.result.words %>\n',
      },
      {
        title: 'A class of a jar on a standalone cluster',
        yaml: 'score:\n  action: spark.submit\n  input:\n    master: spark://master:7077\n    class: com.example.Score\n    application: /srv/jobs/score.jar\n    conf: {spark.executor.memory: 2g}\n',
      },
    ],
    backend,
    ...ways,
  };
}

const text = (description: string): JsonObject => ({ type: ['string', 'null'], description });
const list = (description: string): JsonObject => ({ type: ['array', 'null'], items: { type: 'string' }, description });
const count = (description: string): JsonObject => ({ type: ['integer', 'null'], minimum: 0, description });
const seconds = (description: string): JsonObject => ({ type: ['number', 'null'], minimum: 0, description });
const choice = (values: readonly string[], description: string): JsonObject => ({
  type: ['string', 'null'],
  enum: values,
  default: values[0] ?? null,
  description,
});
const flag = (description: string): JsonObject => ({ type: ['boolean', 'null'], default: false, description });

export const PROPERTIES: Record<string, JsonObject> = {
  application: {
    type: ['string', 'object'],
    description: 'Path or address of a Python file or jar, or {inline: "<python>"}.',
  },
  args: {
    type: ['array', 'object', 'null'],
    description: 'Arguments of the application; a mapping becomes `--key value` pairs.',
  },
  master: text('Where to run: local[2], spark://host:7077, yarn, …'),
  class: text('Main class, for a jar.'),
  name: text("The application's name."),
  conf: { type: ['object', 'null'], description: 'Spark configuration; keys begin with `spark.`.' },
  jars: list('Jars for driver and executors.'),
  packages: list('Maven coordinates to fetch.'),
  exclude_packages: list('Maven coordinates to leave out.'),
  repositories: list('Further Maven repositories.'),
  py_files: list('Python files and archives for the import path.'),
  files: list('Files for the working folder of each executor.'),
  archives: list('Archives to unpack there.'),
  properties_file: text('File with Spark configuration.'),
  load_spark_defaults: flag('Read conf/spark-defaults.conf even with a properties file (Spark 4).'),
  driver_memory: text('Such as 1g.'),
  driver_java_options: text('Options of the driver JVM.'),
  driver_library_path: text('Native libraries of the driver.'),
  driver_class_path: text('Further class path of the driver.'),
  executor_memory: text('Such as 2g.'),
  executor_cores: count('Cores of each executor.'),
  total_executor_cores: count('Cores of all executors (standalone).'),
  num_executors: count('Number of executors (YARN, Kubernetes).'),
  queue: text('YARN queue.'),
  principal: text('Kerberos principal.'),
  keytab: text("File with the principal's key."),
  proxy_user: text('User to act for.'),
  verbose: flag('More in the log.'),
  remote: text('Spark Connect address, sc://….'),
  env: { type: ['object', 'null'], description: 'Environment variables of the run.' },
  spark_home: text('Spark installation; default: the one of the server.'),
  working_dir: text("Working folder; default: the run's own folder, whose path is in $WF_RUN_DIR."),
  result: {
    type: ['string', 'null'],
    default: 'marker',
    description:
      'Where the job’s own value is: marker (line `::result <JSON>`), last_line, file:<name> in $WF_RUN_DIR, none.',
  },
  wait_for: choice(['finished', 'submitted'], 'When the task is over.'),
  timeout: seconds('Seconds from the submit to the end.'),
  on_timeout: choice(['kill', 'detach'], 'What happens to the run when its time is over.'),
  on_cancel: choice(['kill', 'detach'], 'What happens to the run when the workflow is cancelled.'),
  kill_grace: { ...seconds('Seconds between SIGTERM and SIGKILL.'), default: 20 },
  poll_interval: { ...seconds('First pause between two looks; grows to 10 s.'), default: 2 },
  log_lines: { ...count('Lines of the log kept with the result.'), default: 200 },
  allowed_exit_codes: {
    type: ['array', 'null'],
    items: { type: 'integer' },
    default: [0],
    description: 'Exit codes that count as success.',
  },
  via: {
    type: ['string', 'null'],
    enum: ['auto', 'process', 'rest', 'livy', 'lighter'],
    default: 'auto',
    description:
      "How it is submitted: by spark-submit on the executor's host (process), to the submission server of a standalone master (rest), to Livy or Lighter. auto: rest for deploy_mode: cluster where a server is given, else process.",
  },
  deploy_mode: {
    type: ['string', 'null'],
    enum: ['client', 'cluster'],
    default: 'client',
    description: 'Where the driver runs; cluster only with via: rest.',
  },
  ...SERVER_INPUTS,
  supervise: flag('Start the driver again when it fails (via: rest).'),
  driver_cores: count('Cores of the driver (via: rest).'),
};
