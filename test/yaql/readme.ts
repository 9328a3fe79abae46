/** An example of the package's README: its code, and the lines that its comments say it prints, values as JSON. */
export interface ReadmeExample {
  readonly code: string;
  readonly promised: readonly string[];
}

/** @throws Error for a block that promises nothing: it could not fail. */
export function readmeExamples(readme: string): readonly ReadmeExample[] {
  return [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = '']) => {
    const promised = [...code.matchAll(/(?:^|; |\)\); )\/\/ (.*)$/gm)].map(([, text = '']) => text);
    if (promised.length === 0) throw new Error(`The README does not say what this prints:\n${code}`);
    return { code, promised };
  });
}
