import { DBOS } from '@dbos-inc/dbos-sdk';

/** Ten-step workflows of DBOS Transact whose steps do nothing, in this process, on the database at `url`. */
export async function openDbos(url) {
  const step = () => Promise.resolve(null);
  const tenSteps = DBOS.registerWorkflow(
    async () => {
      for (let i = 0; i < 10; i += 1) await DBOS.runStep(step, { name: `step${i}` });
    },
    { name: 'ten_steps' },
  );
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: 20,
    logLevel: 'error',
    runAdminServer: false,
  });
  await DBOS.launch();
  return {
    execute: async () => {
      const handle = await DBOS.startWorkflow(tenSteps)();
      await handle.getResult();
    },
    close: () => DBOS.shutdown(),
  };
}
