import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A Spark installation whose spark-submit is a shell script: it notes each start in `starts`, prints log lines as Spark 3.5 does and then does what
 * the application's own file says.
 */
export async function fakeSparkHome(folder: string): Promise<{ readonly home: string; starts(): Promise<string[]> }> {
  const home = join(folder, 'spark');
  await mkdir(join(home, 'bin'), { recursive: true });
  const program = join(home, 'bin', 'spark-submit');
  await writeFile(program, SPARK_SUBMIT.replace('@STARTS@', join(folder, 'starts')));
  await chmod(program, 0o755);
  return {
    home,
    async starts() {
      const text = await readFile(join(folder, 'starts'), 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

const SPARK_SUBMIT = `#!/bin/sh
echo "$*" >> '@STARTS@'
echo "26/11/22 05:00:00 INFO SparkContext: Running Spark version 3.5.9" >&2
echo "26/11/22 05:00:01 INFO Utils: Successfully started service 'SparkUI' on port 4040." >&2
# Behind the options and their values comes the application.
while [ $# -gt 0 ]; do
  case "$1" in
    --verbose|--supervise) shift ;;
    --*) shift 2 ;;
    *) break ;;
  esac
done
application=$1
shift
. "$application"
`;
