import { catalogueOf, type Catalogue } from './catalogue.ts';
import { stdPack } from './std/pack.ts';

export type { Catalogue } from './catalogue.ts';
export type { CallProblem } from './check-call.ts';

export interface CatalogueOptions {}

/** The system actions: one line per pack. */
export function createCatalogue(_options: CatalogueOptions = {}): Catalogue {
  return catalogueOf([...stdPack()]);
}
