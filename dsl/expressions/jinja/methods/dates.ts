import { formatDate } from '../../../yaql/date-format.ts';
import type { DateTime } from '../../../yaql/date-time.ts';
import { toFloat } from '../../../yaql/numbers.ts';
import { toText } from '../python.ts';
import { type Method, method } from './method.ts';

export const dateMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  method<DateTime>('isoformat', [['sep', 'T']], (self, [separator]) => {
    const text = self.isoLocal('T');
    return `${text.slice(0, 10)}${toText(separator)}${text.slice(11)}${self.offsetText()}`;
  }),
  method<DateTime>('strftime', ['format'], (self, [format]) => formatDate(self, toText(format))),
  method<DateTime>('timestamp', [], (self) => toFloat(Number(self.instant) / 1e6)),
  method<DateTime>('weekday', [], (self) => self.weekday()),
  method<DateTime>('isoweekday', [], (self) => self.weekday() + 1),
]);
