import { overflowError } from './errors.ts';
import { YaqlValue, type Kind } from './values.ts';

const DAY = 86_400_000_000n;
const LIMIT_DAYS = 999_999_999n;

/** A length of time in whole microseconds, up to ±999999999 days (Python's timedelta). */
export class TimeSpan extends YaqlValue {
  static readonly ZERO = new TimeSpan(0n);

  readonly yaqlKind: Kind = 'timespan';
  readonly microseconds: bigint;

  /** @throws OverflowError (YaqlError) beyond the limit. */
  constructor(microseconds: bigint) {
    super();
    if (microseconds < -LIMIT_DAYS * DAY || microseconds >= (LIMIT_DAYS + 1n) * DAY) {
      throw overflowError('days exceed the limit of 999999999');
    }
    this.microseconds = microseconds;
  }

  /** Whole days (rounded down), then the rest as seconds and microseconds, neither negative. */
  parts(): { days: bigint; seconds: number; microseconds: number } {
    const rest = ((this.microseconds % DAY) + DAY) % DAY;
    return {
      days: (this.microseconds - rest) / DAY,
      seconds: Number(rest / 1_000_000n),
      microseconds: Number(rest % 1_000_000n),
    };
  }

  /** Python's str: `1 day, 0:05:00`, `-1 day, 23:59:59.500000`. */
  override toString(): string {
    const { days, seconds, microseconds } = this.parts();
    const clock = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    const fraction = microseconds === 0 ? '' : `.${String(microseconds).padStart(6, '0')}`;
    if (days === 0n) return clock + fraction;
    return `${days} day${days === 1n || days === -1n ? '' : 's'}, ${clock}${fraction}`;
  }

  override isTruthy(): boolean {
    return this.microseconds !== 0n;
  }

  override equalTo(other: unknown): boolean {
    return other instanceof TimeSpan && other.microseconds === this.microseconds;
  }

  override hashKey(): unknown {
    return `\0p${this.microseconds}`;
  }
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
