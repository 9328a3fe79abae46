import { readdirSync, readFileSync } from 'node:fs';

const TICK_MILLISECONDS = 10;

/**
 * Processor time of this process so far, in milliseconds: of the main thread and of all others (the database driver's, V8's). On
 * a machine that others use as well it says more than the clock does. Null where the system does not tell.
 */
export function cpuTimes() {
  try {
    let main = 0;
    let others = 0;
    for (const thread of readdirSync('/proc/self/task')) {
      const fields = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')[1].split(' ');
      const milliseconds = (Number(fields[11]) + Number(fields[12])) * TICK_MILLISECONDS;
      if (thread === String(process.pid)) main += milliseconds;
      else others += milliseconds;
    }
    return { main, others };
  } catch {
    return null;
  }
}

/** Microseconds of processor time per unit since `before`, as figures. */
export function cpuPer(before, units, name) {
  const after = cpuTimes();
  if (before === null || after === null) return [];
  const per = (key) => ((after[key] - before[key]) * 1000) / units;
  return [
    { what: `processor time per ${name}, main thread`, value: per('main'), unit: 'us' },
    { what: `processor time per ${name}, other threads`, value: per('others'), unit: 'us' },
  ];
}
