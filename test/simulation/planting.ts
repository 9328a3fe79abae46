import type { LoadHook } from 'node:module';
import type { Mutant } from './mutants.ts';

let mutant: Mutant | null = null;

/** Called by Node in the thread that loads modules. */
export function initialize(data: Mutant): void {
  mutant = data;
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (mutant === null || !url.endsWith(`/${mutant.file}`) || loaded.source === undefined || loaded.source === null)
    return loaded;
  const source = Buffer.from(loaded.source as Uint8Array).toString();
  const place = placeOf(mutant.from);
  if (!place.test(source)) throw new Error(`the mutant '${mutant.name}' no longer fits ${mutant.file}: ${mutant.from}`);
  return { ...loaded, source: source.replace(place, () => mutant?.to ?? '') };
};

/** The text as any compiler writes it: spaces, line breaks and kinds of quotes differ. */
function placeOf(text: string): RegExp {
  return new RegExp(
    text
      .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll(/\s+/g, String.raw`\s+`)
      .replaceAll(/['"]/g, `['"]`),
  );
}
