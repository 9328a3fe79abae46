import type { Knex } from 'knex';
import { definitionNotFound } from './definition-rules.ts';

/** In the transaction that stores a trigger: the workflow may have been deleted since it was looked at. */
export async function checkWorkflowExists(
  trx: Knex,
  row: { readonly workflow_id: string; readonly workflow_name: string },
): Promise<void> {
  const found = await trx('workflows').where('id', row.workflow_id).first('id');
  if (found === undefined) throw definitionNotFound('workflows', row.workflow_name, '');
}
