import type { Knex } from 'knex';

// Times are milliseconds since 1970 UTC. JSON columns are text written by dsl/json.ts (design.md §3): never jsonb.
// Ids are texts: UUID version 7 where we make them, anything up to 36 characters where a client gives them.

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('specs', (t) => {
    t.string('hash', 64).primary();
    t.string('kind', 16).notNullable();
    t.text('body').notNullable();
    t.bigInteger('created_at').notNullable();
  });

  await knex.schema.createTable('workbooks', (t) => {
    definitionColumns(t);
    t.unique(['name', 'namespace', 'project_id']);
    t.index(['created_at', 'id']);
  });
  await knex.schema.createTable('workflows', (t) => {
    definitionColumns(t);
    t.string('spec_hash', 64).notNullable();
    t.string('workbook_name', 255);
    t.string('checksum', 32);
    // As the API shows them, so that lists need not read specs: a display text, and {input, output} as JSON.
    t.text('input').notNullable();
    t.text('interface').notNullable();
    t.unique(['name', 'namespace', 'project_id']);
    t.index(['created_at', 'id']);
  });
  await knex.schema.createTable('actions', (t) => {
    definitionColumns(t);
    t.string('spec_hash', 64).notNullable();
    t.string('workbook_name', 255);
    t.text('description');
    t.text('input').notNullable();
    t.unique(['name', 'namespace', 'project_id']);
    t.index(['created_at', 'id']);
  });
  await knex.schema.createTable('environments', (t) => {
    t.string('id', 36).primary();
    t.string('name', 200).notNullable();
    t.text('description');
    t.text('variables').notNullable();
    t.string('scope', 16).notNullable();
    t.string('project_id', 80).notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at');
    t.unique(['name', 'project_id']);
    t.index(['created_at', 'id']);
  });

  await knex.schema.createTable('executions', (t) => {
    t.string('id', 36).primary();
    t.integer('version').notNullable();
    t.string('workflow_id', 36);
    t.string('workflow_name', 255).notNullable();
    t.string('workflow_namespace', 255).notNullable();
    t.string('workbook_name', 255);
    t.string('spec_hash', 64).notNullable();
    t.string('project_id', 80).notNullable();
    t.text('description').notNullable();
    t.text('tags').notNullable();
    t.string('state', 16).notNullable();
    t.text('state_info');
    t.text('input').notNullable();
    t.text('output').notNullable();
    t.text('params').notNullable();
    // WE.context of spec/engine.md E-1.1: evaluated vars and global variables.
    t.text('context').notNullable();
    // {index?, backlog?, …}: spec/engine.md §1.
    t.text('runtime_context').notNullable();
    t.string('task_execution_id', 36);
    t.string('parent_execution_id', 36);
    t.string('root_execution_id', 36);
    t.boolean('accepted').notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at').notNullable();
    t.index(['created_at', 'id']);
    t.index(['state', 'created_at', 'id']);
    t.index(['workflow_name', 'created_at', 'id']);
    t.index(['workflow_id', 'created_at', 'id']);
    t.index(['task_execution_id']);
    t.index(['parent_execution_id']);
    t.index(['root_execution_id', 'created_at', 'id']);
    t.index(['project_id', 'created_at', 'id']);
  });

  await knex.schema.createTable('task_executions', (t) => {
    t.string('id', 36).primary();
    t.string('execution_id', 36).notNullable();
    t.string('name', 255).notNullable();
    t.string('type', 16).notNullable();
    t.string('workflow_id', 36);
    t.string('workflow_name', 255).notNullable();
    t.string('workflow_namespace', 255).notNullable();
    t.string('project_id', 80).notNullable();
    t.text('tags').notNullable();
    t.string('state', 16).notNullable();
    t.text('state_info');
    // Joins, and tasks of reverse workflows: one row per execution and name (spec/engine.md E-12.1, E-18.2).
    t.string('unique_key', 255);
    // Where the inbound context comes from: {base: task id | null, own: {...}, versions: {...}} (design.md §3).
    t.text('in_context').notNullable();
    t.text('published');
    t.text('published_global');
    t.text('runtime_context').notNullable();
    // How far the items of a with-items task are (engine/core/model.ts, ItemsProgress); null for any other.
    t.text('items');
    t.boolean('processed').notNullable();
    t.boolean('has_next_tasks').notNullable();
    t.text('next_tasks');
    t.boolean('error_handled').notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at').notNullable();
    t.bigInteger('started_at');
    t.bigInteger('finished_at');
    t.unique(['execution_id', 'unique_key']);
    t.index(['execution_id', 'name', 'id']);
    t.index(['created_at', 'id']);
    t.index(['state', 'created_at', 'id']);
    t.index(['workflow_name', 'created_at', 'id']);
    t.index(['name', 'created_at', 'id']);
    t.index(['project_id', 'created_at', 'id']);
  });

  await knex.schema.createTable('action_executions', (t) => {
    t.string('id', 36).primary();
    t.string('task_execution_id', 36);
    t.string('execution_id', 36);
    t.string('task_name', 255);
    // The name as the workflow calls it, `<book>.<action>` for a workbook's own; `system_name` is what an executor runs.
    t.string('name', 255).notNullable();
    t.string('system_name', 255).notNullable();
    // What the executor gets; null when it equals `input`. `wrappers` are the ad-hoc outputs still to be applied.
    t.text('system_input');
    t.text('wrappers');
    t.string('workflow_name', 255);
    t.string('workflow_namespace', 255).notNullable();
    t.string('project_id', 80).notNullable();
    t.text('description').notNullable();
    t.text('tags');
    t.string('state', 16).notNullable();
    t.text('state_info');
    t.text('input').notNullable();
    t.text('output');
    t.boolean('accepted').notNullable();
    t.string('kind', 8).notNullable();
    t.text('runtime_context').notNullable();
    t.integer('attempt').notNullable();
    t.string('executor_id', 80);
    t.bigInteger('heartbeat_at');
    // Of asynchronous ones that may not run twice: their start ended well, and they wait for their completion.
    t.bigInteger('started_at');
    t.double('timeout_seconds');
    t.string('target', 255);
    t.boolean('safe_rerun').notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at').notNullable();
    t.index(['task_execution_id', 'created_at', 'id']);
    t.index(['execution_id']);
    t.index(['created_at', 'id']);
    t.index(['state', 'created_at', 'id']);
    t.index(['name', 'created_at', 'id']);
    t.index(['workflow_name', 'created_at', 'id']);
    t.index(['project_id', 'created_at', 'id']);
  });

  // What a view is read by: the conditions stand word by word in engine/store/views.ts.
  await knex.raw(
    `create index task_executions_retained_index on task_executions (execution_id)
     where (not processed or not has_next_tasks or (state = 'ERROR' and not error_handled))`,
  );
  const notFinal = "state not in ('SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED')";
  await knex.raw(`create index action_executions_open_index on action_executions (execution_id) where ${notFinal}`);
  await knex.raw(`create index executions_open_index on executions (parent_execution_id) where ${notFinal}`);

  // Values too large for rows that are read and written often (design.md §3); they go with their execution.
  await knex.schema.createTable('payloads', (t) => {
    t.string('id', 64).primary();
    t.string('execution_id', 36).notNullable();
    t.text('body').notNullable();
    t.index(['execution_id']);
  });

  // One row per execution and batch: the batch's changes as one JSON array.
  await knex.schema.createTable('execution_events', (t) => {
    t.bigIncrements('seq');
    t.string('execution_id', 36).notNullable();
    // Of its execution; 0: told from outside, by a cluster that it has leased.
    t.integer('version').notNullable();
    t.bigInteger('at').notNullable();
    t.text('changes').notNullable();
    t.index(['execution_id', 'seq']);
  });

  await knex.schema.createTable('timers', (t) => {
    t.string('id', 36).primary();
    t.string('execution_id', 36).notNullable();
    t.string('task_execution_id', 36);
    t.string('kind', 16).notNullable();
    t.bigInteger('due_at').notNullable();
    // What was waited for: the policy's value.
    t.double('delay_seconds').notNullable();
    t.string('node_id', 80).notNullable();
    t.index(['due_at']);
    t.index(['execution_id']);
  });

  await knex.schema.createTable('outbox', (t) => {
    t.string('id', 36).primary();
    // An execution's id for cross-execution events; null for messages to executors.
    t.string('execution_id', 36);
    t.string('kind', 32).notNullable();
    t.text('body').notNullable();
    t.bigInteger('created_at').notNullable();
    t.index(['created_at', 'id']);
    t.index(['execution_id']);
  });

  await knex.schema.createTable('quarantine', (t) => {
    t.string('id', 36).primary();
    t.string('execution_id', 36).notNullable();
    t.text('event').notNullable();
    t.text('error').notNullable();
    t.bigInteger('created_at').notNullable();
    t.index(['execution_id']);
  });

  await knex.schema.createTable('external_jobs', (t) => {
    t.string('action_execution_id', 36).primary();
    t.string('backend', 32).notNullable();
    t.string('phase', 16).notNullable();
    t.string('key', 64).notNullable();
    t.string('external_id', 255);
    t.string('app_id', 255);
    t.text('url');
    t.string('last_state', 32);
    t.text('progress');
    t.text('log_tail');
    // The backend's own record, JSON: run directory, pid and start time, jar hash, cursors …
    t.text('data').notNullable();
    t.text('request').notNullable();
    // The final result once known; kept until the engine has committed it.
    t.text('result');
    t.bigInteger('submit_started_at');
    t.bigInteger('submitted_at');
    t.bigInteger('last_seen_at');
    t.bigInteger('cancel_requested_at');
    t.string('cancel_reason', 16);
    t.bigInteger('next_poll_at').notNullable();
    t.string('lease_owner', 80);
    t.bigInteger('lease_until');
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at').notNullable();
    t.index(['phase', 'next_poll_at']);
  });

  // Who a bearer token stands for. The token itself is not kept, only its SHA-256 in hex.
  await knex.schema.createTable('tokens', (t) => {
    t.string('id', 36).primary();
    t.string('hash', 64).notNullable().unique();
    t.string('project_id', 80).notNullable();
    t.string('user_id', 255).notNullable();
    // A JSON array.
    t.text('roles').notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('expires_at');
  });

  // Workflows that a project shares with another one (spec/rest-api.md §3.4).
  await knex.schema.createTable('resource_members', (t) => {
    t.string('id', 36).primary();
    t.string('resource_id', 36).notNullable();
    t.string('resource_type', 50).notNullable();
    t.string('project_id', 80).notNullable();
    t.string('member_id', 80).notNullable();
    t.string('status', 20).notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at');
    t.unique(['resource_id', 'resource_type', 'member_id']);
    t.index(['member_id', 'status', 'resource_id']);
  });

  await knex.schema.createTable('cron_triggers', (t) => {
    t.string('id', 36).primary();
    t.string('name', 200).notNullable();
    triggerColumns(t);
    t.string('pattern', 100).notNullable();
    t.bigInteger('remaining_executions');
    t.bigInteger('first_execution_time');
    t.bigInteger('next_execution_time').notNullable();
    // Of what makes two triggers the same besides their name; null where that cannot be (spec/rest-api.md §3.10 rule 8).
    t.string('content_key', 64);
    t.string('last_execution_id', 36);
    t.unique(['name', 'project_id']);
    t.unique(['content_key', 'project_id']);
    t.index(['next_execution_time', 'id']);
  });

  await knex.schema.createTable('event_triggers', (t) => {
    t.string('id', 36).primary();
    t.string('name', 200);
    triggerColumns(t);
    t.string('exchange', 80).notNullable();
    t.string('topic', 80).notNullable();
    t.string('event', 80).notNullable();
    t.unique(['exchange', 'topic', 'event', 'workflow_id', 'project_id']);
  });

  // Files that jobs need, by the SHA-256 of their content; each project has its own.
  await knex.schema.createTable('job_files', (t) => {
    t.string('id', 36).primary();
    t.string('project_id', 80).notNullable();
    t.string('name', 255).notNullable();
    t.string('sha256', 64).notNullable();
    t.bigInteger('size').notNullable();
    t.string('link_key', 64).notNullable().unique();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('used_at').notNullable();
    t.unique(['project_id', 'sha256']);
    t.index(['created_at', 'id']);
  });
  // Content that has not come as a whole yet. Its id becomes the file's.
  await knex.schema.createTable('job_file_uploads', (t) => {
    t.string('id', 36).primary();
    t.string('project_id', 80).notNullable();
    t.string('name', 255).notNullable();
    t.string('sha256', 64);
    t.bigInteger('received').notNullable();
    t.integer('pieces').notNullable();
    t.bigInteger('created_at').notNullable();
    t.bigInteger('updated_at').notNullable();
    t.unique(['project_id', 'sha256']);
  });
  await knex.schema.createTable('job_file_chunks', (t) => {
    t.string('file_id', 36).notNullable();
    t.integer('seq').notNullable();
    t.binary('body').notNullable();
    t.primary(['file_id', 'seq']);
  });

  // What happens to executions, on its way to publishers (spec/engine.md §22): rows go once they are delivered or given up.
  await knex.schema.createTable('notifications', (t) => {
    t.string('id', 36).primary();
    t.string('execution_id', 36).notNullable();
    t.text('publisher').notNullable();
    t.text('payload').notNullable();
    t.bigInteger('created_at').notNullable();
  });

  // Executions that maintenance paused, and that go on when it ends.
  await knex.schema.createTable('maintenance_pauses', (t) => {
    t.string('execution_id', 36).primary();
  });

  // Executions that are gone and whose tasks, actions and events are still to be deleted, slice by slice.
  await knex.schema.createTable('purges', (t) => {
    t.string('execution_id', 36).primary();
  });

  await knex.schema.createTable('code_sources', (t) => {
    codeColumns(t);
    t.text('content').notNullable();
    t.integer('version').notNullable();
  });

  await knex.schema.createTable('dynamic_actions', (t) => {
    codeColumns(t);
    t.string('code_source_id', 36).notNullable();
    t.string('code_source_name', 255).notNullable();
    t.string('class_name', 255).notNullable();
    // What the module says of itself; null while nobody has read it (dynamic actions are off, or it does not load).
    t.text('description');
    t.text('parameters');
    t.boolean('is_async').notNullable();
    t.index(['code_source_id']);
  });

  // The processes that share this database; roles is a JSON array.
  await knex.schema.createTable('services', (t) => {
    t.string('id', 36).primary();
    t.string('name', 255).notNullable();
    t.string('host', 255).notNullable();
    t.text('roles').notNullable();
    t.string('state', 16).notNullable();
    t.integer('schema_version').notNullable();
    t.bigInteger('started_at').notNullable();
    t.bigInteger('seen_at').notNullable();
    t.bigInteger('lease_until').notNullable();
  });

  // What one process does for all of them: the token grows with every change of holder.
  await knex.schema.createTable('leases', (t) => {
    t.string('name', 64).primary();
    t.string('holder', 36).notNullable();
    t.bigInteger('token').notNullable();
    t.bigInteger('expires_at').notNullable();
  });

  // The pool service (spec/cluster.md §3.3). What callers choose by, and what an operator may change; the rest is in `config`.
  await knex.schema.createTable('cluster_pools', (t) => {
    t.string('name', 80).primary();
    t.string('provider', 40).notNullable();
    t.string('type', 80).notNullable();
    t.string('mode', 80).notNullable();
    t.text('sizes').notNullable();
    t.text('labels').notNullable();
    t.text('config').notNullable();
    t.integer('capacity').notNullable();
    t.integer('min_free').notNullable();
    t.bigInteger('max_lease_seconds');
    t.bigInteger('default_ttl');
    t.boolean('schedulable').notNullable();
    t.string('recycle', 16).notNullable();
    // Whose processes these are; empty for clusters that any node can see to.
    t.string('host', 255).notNullable();
    t.bigInteger('created_at').notNullable();
    t.integer('version').notNullable();
  });

  // One row per life of a cluster: after a release the next life has the same name and another id.
  await knex.schema.createTable('clusters', (t) => {
    t.string('id', 36).primary();
    t.string('name', 200).notNullable();
    t.string('pool', 80).notNullable();
    t.string('type', 80).notNullable();
    t.string('mode', 80).notNullable();
    t.integer('size').notNullable();
    t.text('labels').notNullable();
    // Empty for a free one.
    t.string('user_id', 255).notNullable();
    t.string('project_id', 80).notNullable();
    t.string('lease_id', 36);
    t.string('status', 16).notNullable();
    t.string('health', 16).notNullable();
    t.integer('health_fails').notNullable();
    t.text('endpoints').notNullable();
    t.text('nodes').notNullable();
    // What the provider needs to find it again.
    t.text('handle').notNullable();
    t.string('host', 255).notNullable();
    t.integer('cores').notNullable();
    t.bigInteger('memory_mb').notNullable();
    t.bigInteger('create_ts').notNullable();
    t.bigInteger('apply_ts');
    t.bigInteger('release_ts');
    t.bigInteger('last_used').notNullable();
    t.integer('generation').notNullable();
    // Of making or recycling it: how often it failed, and when it is tried again.
    t.integer('attempts').notNullable();
    t.bigInteger('next_try_at').notNullable();
    // `start`, `stop` or `restart` that somebody asked for and the keeper of its host does.
    t.text('wish');
    t.string('wish_id', 36);
    t.text('wish_error');
    t.integer('version').notNullable();
    t.index(['status', 'user_id', 'last_used', 'id']);
    t.index(['pool', 'status']);
    t.index(['user_id', 'project_id']);
    t.index(['name']);
  });

  await knex.schema.createTable('cluster_leases', (t) => {
    t.string('id', 36).primary();
    // With the project before it.
    t.string('lease_key', 400).unique();
    t.string('cluster_id', 255).notNullable();
    t.string('project_id', 80).notNullable();
    t.string('user_id', 255).notNullable();
    t.string('execution_id', 36);
    t.string('root_execution_id', 36);
    t.string('scope', 16).notNullable();
    t.bigInteger('granted_at').notNullable();
    t.bigInteger('renewed_at').notNullable();
    t.bigInteger('ttl_seconds');
    t.bigInteger('expires_at');
    t.bigInteger('released_at');
    t.string('release_reason', 80);
    // The connection of the service that granted it, where that is not this one.
    t.string('remote', 255);
    t.index(['execution_id']);
    t.index(['root_execution_id']);
    t.index(['project_id', 'user_id']);
    t.index(['released_at', 'expires_at']);
  });
  // The second guard: whatever the statements do, a cluster never has two holders.
  await knex.raw('create unique index one_open_lease on cluster_leases (cluster_id) where released_at is null');

  await knex.schema.createTable('cluster_waiters', (t) => {
    t.string('ticket', 36).primary();
    // The order of arrival.
    t.bigInteger('seq').notNullable().unique();
    t.string('project_id', 80).notNullable();
    t.string('user_id', 255).notNullable();
    t.text('filter').notNullable();
    t.string('lease_key', 400).unique();
    t.text('request').notNullable();
    t.string('execution_id', 36);
    t.string('root_execution_id', 36);
    t.bigInteger('created_at').notNullable();
    t.bigInteger('deadline').notNullable();
    // waiting, served, over
    t.string('state', 16).notNullable();
    t.string('served_lease', 36);
    t.index(['state', 'seq']);
    t.index(['execution_id']);
    t.index(['root_execution_id']);
  });

  await knex.schema.createTable('cluster_events', (t) => {
    t.bigInteger('seq').primary();
    t.bigInteger('at').notNullable();
    t.string('cluster_id', 255).notNullable();
    t.string('cluster_name', 200).notNullable();
    t.string('pool', 80).notNullable();
    t.string('event', 40).notNullable();
    t.string('user_id', 255).notNullable();
    t.string('lease_id', 36);
    t.text('data').notNullable();
    t.index(['cluster_id', 'seq']);
    t.index(['at']);
  });

  // Results on their way to an engine that are too large for a message.
  await knex.schema.createTable('queued_texts', (t) => {
    t.string('id', 64).primary();
    t.text('body').notNullable();
    t.bigInteger('created_at').notNullable();
    t.index(['created_at']);
  });

  // Single values: `definitions_epoch` (design.md §2) and the like.
  await knex.schema.createTable('counters', (t) => {
    t.string('name', 64).primary();
    t.bigInteger('value').notNullable();
  });
  await knex('counters').insert([
    { name: 'definitions_epoch', value: 1 },
    // 0 RUNNING, 1 PAUSING, 2 PAUSED (spec/rest-api.md §3.2).
    { name: 'maintenance', value: 0 },
    // Order of grants, tickets and events of clusters: whoever changes it does so alone until he has committed.
    { name: 'cluster_sequence', value: 0 },
  ]);
}

/** What code sources and dynamic actions have in common. */
function codeColumns(t: Knex.CreateTableBuilder): void {
  t.string('id', 36).primary();
  t.string('name', 255).notNullable();
  t.string('namespace', 255).notNullable();
  t.string('project_id', 80).notNullable();
  t.string('scope', 16).notNullable();
  t.text('tags').notNullable();
  t.bigInteger('created_at').notNullable();
  t.bigInteger('updated_at');
  t.unique(['name', 'namespace', 'project_id']);
  t.index(['created_at', 'id']);
}

function definitionColumns(t: Knex.CreateTableBuilder): void {
  t.string('id', 36).primary();
  t.string('name', 255).notNullable();
  t.string('namespace', 255).notNullable();
  t.string('project_id', 80).notNullable();
  t.string('scope', 16).notNullable();
  t.text('definition').notNullable();
  t.text('tags').notNullable();
  t.bigInteger('created_at').notNullable();
  t.bigInteger('updated_at');
}

/** What cron and event triggers have in common. */
function triggerColumns(t: Knex.CreateTableBuilder): void {
  t.string('workflow_id', 36).notNullable();
  t.string('workflow_name', 255).notNullable();
  t.text('workflow_input').notNullable();
  t.text('workflow_params').notNullable();
  t.string('project_id', 80).notNullable();
  t.string('scope', 16).notNullable();
  // Starts with an administrator's sight: workflows of other projects, too.
  t.boolean('by_admin').notNullable();
  t.bigInteger('created_at').notNullable();
  t.bigInteger('updated_at');
  t.index(['workflow_id']);
  t.index(['created_at', 'id']);
}
