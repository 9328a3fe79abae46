import test from 'ava';
import { Float } from '../../dsl/yaql/numbers.ts';
import { maskError, maskFields, maskJsonText, maskSecrets, maskText } from '../../engine/secrets.ts';

test('what stands under the name of a secret is masked at any depth, and nothing else', (t) => {
  const input = {
    url: 'https://api.example.com/rows',
    auth: 'user:password',
    headers: { Authorization: 'Bearer x', 'X-Auth-Token': 'x', 'X-Api-Key': 'x', Accept: 'text/plain' },
    cookies: { session: 'x' },
    body: [{ smtp_password: 'x', private_key: 'x', private_key_filename: 'id_rsa', refreshToken: 'x' }],
    author: 'Ann',
    tokens: 3,
    max_tokens: 100,
    keyboard: 'de',
    amount: new Float(2),
    id: 12345678901234567890n,
  };
  t.deepEqual(maskSecrets(input), {
    url: 'https://api.example.com/rows',
    auth: '***',
    headers: { Authorization: '***', 'X-Auth-Token': '***', 'X-Api-Key': '***', Accept: 'text/plain' },
    cookies: '***',
    body: [{ smtp_password: '***', private_key: '***', private_key_filename: 'id_rsa', refreshToken: '***' }],
    author: 'Ann',
    tokens: 3,
    max_tokens: 100,
    keyboard: 'de',
    amount: new Float(2),
    id: 12345678901234567890n,
  });
  t.deepEqual(maskSecrets({ password: '', token: null, cookies: {}, secret: false }), {
    password: '',
    token: null,
    cookies: '***',
    secret: false,
  });
});

test('passwords and tokens within addresses are masked, however long the text around them is', (t) => {
  t.is(
    maskText('see ftp://ann:pass@files.example.com/a?b=c and http://h/?token=x&page=2&api_key=y#top'),
    'see ftp://ann:***@files.example.com/a?b=c and http://h/?token=***&page=2&api_key=***#top',
  );
  t.is(maskText('a=b&token=x'), 'a=b&token=x', 'no address');
  const long = `${'a'.repeat(500_000)}${'?'.repeat(500_000)}://x`;
  t.is(maskText(long), long);
});

test('JSON text is read and written again only where a word gives reason to', (t) => {
  t.is(maskJsonText('{ "a":  2.0 }'), '{ "a":  2.0 }');
  t.is(
    maskJsonText('{"password": "x", "n": 2.0, "big": 12345678901234567890}'),
    '{"password":"***","n":2.0,"big":12345678901234567890}',
  );
});

test('secrets do not get into the log, neither bound to a line nor within an error', (t) => {
  t.deepEqual(maskFields({ id: 'a', password: 'x', url: 'http://u:p@h/', data: { token: 'x', n: 1 } }), {
    id: 'a',
    password: '***',
    url: 'http://u:***@h/',
    data: { token: '***', n: 1 },
  });
  const error = new Error('no answer from http://u:p@h/');
  const shown = maskError(error, ({ message, stack = '' }) => ({ message, stack }));
  t.like(shown as object, { message: 'no answer from http://u:***@h/' });
  t.false(JSON.stringify(shown).includes('u:p@'));
  t.is(
    maskError('text', () => ({ message: '', stack: '' })),
    'text',
  );
});
