/** Definition, without its version, of a workflow of `steps` tasks, one after the other. */
export function chainOf(name, steps, action = 'std.noop') {
  const tasks = Array.from({ length: steps }, (_, i) => {
    const next = i + 1 < steps ? `\n      on-success: step${i + 1}` : '';
    return `    step${i}:\n      action: ${action}${next}`;
  });
  return `${name}:\n  type: direct\n  tasks:\n${tasks.join('\n')}\n`;
}

/** Runs `call` so many times, `width` of them at once. */
export async function inFlight(width, times, call) {
  let left = times;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Ratios of the first list to the second, sample by sample: they ran in turns. */
export function ratios(ours, theirs) {
  return ours.map((value, i) => value / theirs[i]);
}

export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
