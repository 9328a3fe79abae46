import { stringifyJson } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { packageVersion } from '../package-version.ts';
import { serve } from '../request.ts';
import type { ApiRouter } from '../request.ts';
import type { Route } from '../routes.ts';
import { openApiDocument } from './document.ts';
import { docsPage } from './page.ts';

/** `/openapi.json` and `/docs`. @param routes asked for when somebody reads them: they hold these two as well. */
export function openApiRoutes(router: ApiRouter, routes: () => readonly Route[]): void {
  let made: { readonly document: JsonObject; readonly text: string; readonly page: string } | null = null;
  const make = () => {
    if (made !== null) return made;
    const document = openApiDocument(routes(), packageVersion());
    made = { document, text: stringifyJson(document), page: docsPage(document) };
    return made;
  };
  router.get(
    '/openapi.json',
    serve(async () => ({ status: 200, text: { type: 'application/json', text: make().text } })),
  );
  router.get(
    '/docs',
    serve(async () => ({
      status: 200,
      text: { type: 'text/html', text: make().page },
      headers: { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" },
    })),
  );
}
