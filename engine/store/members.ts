import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { newId } from '../ids.ts';
import { isUniqueViolation } from './connection.ts';
import type { Store } from './connection.ts';
import { findDefinitionById, raiseDefinitionsEpoch } from './definitions.ts';

/** Workflows shared with other projects: spec/rest-api.md §3.4, "Members". */

export const MEMBER_STATUSES = ['pending', 'accepted', 'rejected'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

export interface MemberRow {
  readonly id: string;
  readonly resource_id: string;
  readonly resource_type: 'workflow';
  /** The owner. */
  readonly project_id: string;
  /** The project that it is shared with. */
  readonly member_id: string;
  readonly status: MemberStatus;
  readonly created_at: number;
  readonly updated_at: number | null;
}

/**
 * Offers a private workflow to a project, which has to accept it.
 *
 * @throws EngineError NOT_FOUND for a workflow that the caller does not see, FORBIDDEN for one that is only shared with him,
 *   INVALID_INPUT for a public one, CONFLICT when it is shared with that project already.
 */
export async function addMember(
  store: Store,
  caller: Caller,
  workflowId: string,
  memberId: string,
  now: number = Date.now(),
): Promise<MemberRow> {
  return store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const workflow = await findDefinitionById(trx, 'workflows', caller, workflowId);
    if (workflow === undefined) {
      throw new EngineError('NOT_FOUND', `Workflow not found [workflow_identifier=${workflowId}, namespace=]`);
    }
    if (workflow.scope !== 'private') throw new EngineError('INVALID_INPUT', 'Only private resource could be shared.');
    if (!caller.isAdmin && workflow.project_id !== caller.projectId) {
      throw new EngineError(
        'FORBIDDEN',
        `Can not access WorkflowDefinition resource of other projects, ID: ${workflow.id}`,
      );
    }
    const row: MemberRow = {
      id: newId(),
      resource_id: workflow.id,
      resource_type: 'workflow',
      project_id: workflow.project_id,
      member_id: memberId,
      status: 'pending',
      created_at: now,
      updated_at: null,
    };
    try {
      await trx('resource_members').insert(row);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new EngineError(
        'CONFLICT',
        `Duplicate entry for ResourceMember ['resource_id', 'resource_type', 'member_id']: ${workflow.id}, workflow, ${memberId}`,
      );
    }
    return row;
  });
}

/** All shares of a workflow for its owner and administrators; a member sees his own alone. */
export async function listMembers(reader: Knex, caller: Caller, workflowId: string): Promise<readonly MemberRow[]> {
  return visibleTo(reader, caller, workflowId).orderBy(['created_at', 'id']);
}

/** @throws EngineError NOT_FOUND */
export async function findMember(
  reader: Knex,
  caller: Caller,
  workflowId: string,
  memberId: string,
): Promise<MemberRow> {
  const row: MemberRow | undefined = await visibleTo(reader, caller, workflowId).where('member_id', memberId).first();
  if (row === undefined) throw memberNotFound(workflowId, memberId);
  return row;
}

/** The member's own answer to an offer: nobody can give it in his place. @throws EngineError NOT_FOUND */
export async function answerMember(
  store: Store,
  caller: Caller,
  workflowId: string,
  memberId: string,
  status: MemberStatus,
  now: number = Date.now(),
): Promise<MemberRow> {
  return store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const key = { resource_id: workflowId, resource_type: 'workflow', member_id: memberId };
    const row: MemberRow | undefined =
      memberId === caller.projectId ? await trx('resource_members').where(key).first() : undefined;
    if (row === undefined) throw memberNotFound(workflowId, memberId);
    if (row.status === status) return row;
    await trx('resource_members').where('id', row.id).update({ status, updated_at: now });
    return { ...row, status, updated_at: now };
  });
}

/** By the owner; administrators may as well. @throws EngineError NOT_FOUND */
export async function removeMember(store: Store, caller: Caller, workflowId: string, memberId: string): Promise<void> {
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const query = trx('resource_members').where({
      resource_id: workflowId,
      resource_type: 'workflow',
      member_id: memberId,
    });
    if (!caller.isAdmin) query.where('project_id', caller.projectId);
    if ((await query.delete()) === 0) throw memberNotFound(workflowId, memberId);
  });
}

function visibleTo(reader: Knex, caller: Caller, workflowId: string): Knex.QueryBuilder {
  const query = reader('resource_members').where({ resource_id: workflowId, resource_type: 'workflow' });
  if (caller.isAdmin) return query;
  return query.where((any) => any.where('project_id', caller.projectId).orWhere('member_id', caller.projectId));
}

function memberNotFound(workflowId: string, memberId: string): EngineError {
  return new EngineError(
    'NOT_FOUND',
    `Resource member not found [resource_id=${workflowId}, resource_type=workflow, member_id=${memberId}]`,
  );
}
