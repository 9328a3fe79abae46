/** What child processes see of the server's environment: how to find programs and to write texts, and none of its secrets. */
export function childEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'JAVA_HOME', 'USER', 'LOGNAME'];
  const seen = names.flatMap((name): [string, string][] => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...Object.fromEntries(seen) };
}
