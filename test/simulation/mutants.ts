/** A fault planted into the compiled engine while it is loaded: nothing of the engine itself knows of it. */
export interface Mutant {
  readonly name: string;
  /** Compiled module, from the root of the build. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** It must be found within so many seeds. */
  readonly seeds: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a join counts each branch twice',
    file: 'engine/core/join.js',
    from: 'running.length === induced.length',
    to: 'running.length * 2 >= induced.length',
    seeds: 100,
  },
  {
    name: 'a timer is stored and never fires',
    file: 'engine/shell/effects.js',
    from: "if (change.type === 'timer-set')",
    to: "if (change.type === 'timer-set' && change.timer.kind !== 'retry')",
    seeds: 100,
  },
  {
    name: 'a zombie goes on: who was overtaken writes all the same',
    file: 'engine/store/batch.js',
    from: 'where executions.id = source.id and executions.version = source.version returning executions.id',
    to: 'where executions.id = source.id returning executions.id',
    seeds: 200,
  },
  {
    name: 'an action is claimed by everybody who asks',
    file: 'engine/store/action-claims.js',
    from: 'executor_id is null',
    to: 'attempt > 0',
    seeds: 200,
  },
  {
    name: 'a view stays in the cache although its changes were not stored',
    file: 'engine/shell/conductor.js',
    from: 'for (const plan of plans)\n                this.views.evict(plan.executionId);',
    to: '',
    seeds: 200,
  },
  {
    name: 'what a view out of date says of an event is believed',
    file: 'engine/shell/committing.js',
    from: 'silent.length === 0',
    to: 'true',
    seeds: 300,
  },
  {
    name: 'a message between executions is stored and not delivered',
    file: 'engine/shell/effects.js',
    from: 'this.tell(command.to, command.event',
    to: "command.event.type === 'child-completed' || this.tell(command.to, command.event",
    seeds: 100,
  },
  {
    name: 'an unclear submit is repeated without a look',
    file: 'executors/jobs/steps.js',
    from: "case 'unclear':",
    to: "case 'unclear': return submitAgain(watched, { kind: 'later', reason: '', giveUp: { kind: 'cancelled', output: null } }, desk); case 'never':",
    seeds: 300,
  },
];
