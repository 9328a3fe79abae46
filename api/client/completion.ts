import type { Command } from 'commander';
import { UsageError } from '../usage-error.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script that completes commands and options in a shell. Made of the commands themselves, so that none is forgotten. */
export function completionScript(program: Command, shell: string): string {
  const words = wordsOf(program, '');
  switch (shell) {
    case 'bash':
      return bash(words);
    case 'zsh':
      return `#compdef tramontane\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
    case 'fish':
      return fish(words);
    default:
      throw new UsageError(`There is no completion for '${shell}'; there is one for ${SHELLS.join(', ')}.`);
  }
}

interface Words {
  /** The commands so far, such as `execution watch`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly options: readonly string[];
}

function wordsOf(command: Command, path: string): readonly Words[] {
  const own: Words = {
    path,
    commands: command.commands.map((sub) => sub.name()),
    options: [...command.options.flatMap(({ long }) => (long ? [long] : [])), '--help'],
  };
  return [own, ...command.commands.flatMap((sub) => wordsOf(sub, `${path} ${sub.name()}`.trim()))];
}

function bash(words: readonly Words[]): string {
  const cases = words.map(
    ({ path, commands, options }) => `    '${path}') words='${[...commands, ...options].join(' ')}' ;;`,
  );
  return `_tramontane() {
  local path='' word words='' current=\${COMP_WORDS[COMP_CWORD]} i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
${words
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      '${path}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ \${#COMPREPLY[@]} -gt 0 || $current == -* ]] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _tramontane tramontane
`;
}

function fish(words: readonly Words[]): string {
  const lines = words.flatMap(({ path, commands, options }) => {
    const [first, second] = path.split(' ').filter((word) => word !== '');
    const seen = [first, second]
      .filter((word) => word !== undefined)
      .map((word) => `__fish_seen_subcommand_from ${word}`);
    const condition = first === undefined ? '__fish_use_subcommand' : seen.join('; and ');
    const open =
      second === undefined && commands.length > 0 && first !== undefined
        ? `${condition}; and not __fish_seen_subcommand_from ${commands.join(' ')}`
        : condition;
    return [
      ...commands.map((name) => `complete -c tramontane -f -n '${open}' -a ${name}`),
      ...options.map((option) => `complete -c tramontane -n '${condition}' -l ${option.slice(2)}`),
    ];
  });
  return `${lines.join('\n')}\n`;
}
