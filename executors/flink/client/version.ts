/** A Flink version as `GET /config` tells it; suffixes such as -SNAPSHOT are ignored. */
export interface FlinkVersion {
  readonly raw: string;
  readonly major: number;
  readonly minor: number;
  /** `atLeast('1.17')` */
  atLeast(version: string): boolean;
}

/** @throws Error when the text begins with no version. */
export function parseVersion(raw: string): FlinkVersion {
  const match = /^(\d+)\.(\d+)/.exec(raw);
  if (match === null) throw new Error(`'${raw}' is no version of Flink.`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return {
    raw,
    major,
    minor,
    atLeast(version) {
      const [wantedMajor = 0, wantedMinor = 0] = version.split('.').map(Number);
      return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
    },
  };
}
