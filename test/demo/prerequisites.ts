import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../helpers/processes.ts';

/** What this machine lacks, each as one sentence that says how to get it. Empty: the whole chain can run. */
export async function missingPrerequisites(env: NodeJS.ProcessEnv): Promise<string[]> {
  const findings = await Promise.all([missingShell(env), missingPython(env), missingJava(env), missingMaven(env)]);
  return findings.filter((finding) => finding !== null);
}

async function missingShell(env: NodeJS.ProcessEnv): Promise<string | null> {
  const { code } = await run('bash', ['-c', 'true'], { env });
  return code === 0 ? null : 'bash is missing: the scripts that start Spark and Flink need it.';
}

async function missingPython(env: NodeJS.ProcessEnv): Promise<string | null> {
  const version = await run('python3', ['-c', 'import sys; print(sys.version_info >= (3, 9))'], { env });
  if (version.code !== 0)
    return 'Python 3 is missing: PySpark needs Python 3.9 or later (Debian: apt-get install python3 python3-venv).';
  if (version.stdout.trim() !== 'True') return 'Python is too old: PySpark needs Python 3.9 or later.';
  if (env.SPARK_HOME !== undefined) return null;
  const venv = await run('python3', ['-c', 'import venv, ensurepip'], { env });
  return venv.code === 0
    ? null
    : 'Python has no venv module, into which Spark is installed (Debian: apt-get install python3-venv).';
}

async function missingJava(env: NodeJS.ProcessEnv): Promise<string | null> {
  const compiler = await run('javac', ['-version'], { env });
  const hint =
    'Spark, Flink and the Flink job need a JDK 17 or later (Debian: apt-get install openjdk-17-jdk-headless).';
  if (compiler.code !== 0) return `javac is missing: ${hint}`;
  const major = Number(/javac (\d+)/.exec(compiler.stdout + compiler.stderr)?.[1] ?? 0);
  return major >= 17 ? null : `Java ${major} is too old: ${hint}`;
}

async function missingMaven(env: NodeJS.ProcessEnv): Promise<string | null> {
  if (env.FLINK_HOME !== undefined) {
    const found = await access(join(env.FLINK_HOME, 'lib')).then(
      () => true,
      () => false,
    );
    return found ? null : `FLINK_HOME is ${env.FLINK_HOME}, which has no folder lib.`;
  }
  const maven = await run('mvn', ['-version'], { env });
  return maven.code === 0
    ? null
    : 'Maven is missing: it fetches Flink (Debian: apt-get install maven), or set FLINK_HOME.';
}
