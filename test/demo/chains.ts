import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { projectRoot } from '../helpers/project.ts';

/** One workbook of `examples/`, what to start it with, and what to say about its result. */
export interface Chain {
  readonly title: string;
  /** Path of the workbook, relative to the root of the project. */
  readonly workbook: string;
  /** Full name of the workflow to start. */
  readonly workflow: string;
  readonly input: object;
  /**
   * Checks the result against what can be found out in another way, and says so in sentences.
   * Throws when something does not fit.
   */
  explain(output: unknown): Promise<readonly string[]>;
}

/** Needs neither Spark nor Flink: a workflow with sub-workflows, computed by the engine itself. */
export async function localChain(): Promise<Chain> {
  const input = await readExample('sub-workflow/input.json');
  return {
    title: 'two sub-workflows at the same time, then a join',
    workbook: 'examples/sub-workflow/workbook.yaml',
    workflow: 'sub_workflow.compare_texts',
    input,
    explain: (output) => Promise.resolve(explainComparison(output, input)),
  };
}

export interface EngineChainPlaces {
  readonly flinkUrl: string;
  readonly flinkJar: string;
  readonly outputFolder: string;
  /** A word that makes the Flink job fail. */
  readonly refuse?: string;
}

/** A Spark job that counts words, then a Flink job that adds the counts up. */
export function engineChain(places: EngineChainPlaces): Chain {
  const folder = join(projectRoot, 'examples/spark-then-flink');
  const text = join(folder, 'text.txt');
  return {
    title: 'a Spark job that counts words, then a Flink job that adds the counts up',
    workbook: 'examples/spark-then-flink/workbook.yaml',
    workflow: 'spark_then_flink.count_and_total',
    input: {
      text,
      spark_job: join(folder, 'count_words.py'),
      flink_job: places.flinkJar,
      flink_url: places.flinkUrl,
      output_dir: places.outputFolder,
      refuse: places.refuse ?? '',
    },
    explain: async (output) => explainEngines(parseEngineResult(output), places.flinkUrl, await readFile(text, 'utf8')),
  };
}

interface EngineResult {
  readonly spark: {
    readonly application: string;
    readonly lines: number;
    readonly words: number;
    readonly distinct: number;
    readonly event_log: string;
  };
  readonly flink: {
    readonly job: string;
    readonly words: number;
    readonly distinct: number;
    readonly characters: number;
    readonly longest: number;
  };
}

async function explainEngines(result: EngineResult, flinkUrl: string, text: string): Promise<string[]> {
  const { spark, flink } = result;
  const words = text.split(/\s+/).filter((word) => word !== '');
  const distinct = new Set(words).size;
  const characters = words.reduce((sum, word) => sum + [...word].length, 0);
  same('lines counted by Spark', spark.lines, text.split('\n').length - 1);
  same('words counted by Spark', spark.words, words.length);
  same('distinct words counted by Spark', spark.distinct, distinct);
  same('words added up by Flink', flink.words, words.length);
  same('distinct words seen by Flink', flink.distinct, distinct);
  same('characters added up by Flink', flink.characters, characters);
  const events = join(spark.event_log, spark.application);
  const job = await flinkJob(flinkUrl, flink.job);
  return [
    `Spark application ${spark.application} counted ${spark.words} words in ${spark.lines} lines, ${spark.distinct} of them distinct.`,
    `  its event log: ${events} (${(await stat(events)).size} bytes)`,
    `Flink job ${flink.job} added them up: ${flink.words} words with ${flink.characters} characters, the longest has ${flink.longest}.`,
    `  Flink itself says: ${job.name} is ${job.state}, after ${job.duration} ms`,
    `A plain count of ${basename('text.txt')} gives the same: ${words.length} words, ${distinct} distinct, ${characters} characters.`,
  ];
}

async function flinkJob(flinkUrl: string, id: string): Promise<{ name: string; state: string; duration: number }> {
  const response = await fetch(`${flinkUrl}/v1/jobs/${id}`);
  if (!response.ok) throw new Error(`Flink does not know the job ${id} that the result names: ${response.status}`);
  return (await response.json()) as { name: string; state: string; duration: number };
}

function explainComparison(output: unknown, input: object): string[] {
  const { left, right, common } = output as { left: { words: number }; right: { words: number }; common: string[] };
  const texts = Object.values(input).map(String);
  same('words of the left text', left.words, texts[0]?.split(' ').length);
  same('words of the right text', right.words, texts[1]?.split(' ').length);
  return [`The texts have ${left.words} and ${right.words} words and share ${common.length}: ${common.join(', ')}.`];
}

function parseEngineResult(output: unknown): EngineResult {
  if (typeof output === 'object' && output !== null && 'spark' in output && 'flink' in output)
    return output as EngineResult;
  throw new Error(`The result names no Spark and no Flink job: ${JSON.stringify(output)}`);
}

function same(what: string, found: number, expected: number | undefined): void {
  if (found !== expected) throw new Error(`The ${what} are ${found}, a plain count gives ${expected}.`);
}

async function readExample(path: string): Promise<object> {
  return JSON.parse(await readFile(join(projectRoot, 'examples', path), 'utf8')) as object;
}
