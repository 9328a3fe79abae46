import type { ClientCommands } from '../command-groups.ts';

export function addFiles(commands: ClientCommands): void {
  commands
    .command<{ name?: string }>(
      'file',
      'upload <file...>',
      'Upload files for jobs. What has arrived before is not sent again.',
      async ({ session, run, args, options }) => {
        const { uploadFiles } = await import('../uploads.ts');
        return uploadFiles(session, run, args, options.name);
      },
    )
    .option('--name <name>', 'how it is called there (default: as here)');
  commands
    .command<{ output?: string }>(
      'file',
      'download <which>',
      'Save the content of a file here.',
      async ({ session, args: [which = ''], options }) => {
        const { downloadFile } = await import('../uploads.ts');
        return downloadFile(session, which, options.output);
      },
    )
    .option('--output <path>', 'where to (default: its name, in this folder)');
}
