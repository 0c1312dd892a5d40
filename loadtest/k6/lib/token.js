// Access tokens: docs/PROTOCOL.md, section 1.
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';

// mint signs a token of a user by HS256 that is valid for some seconds.
export function mint(secret, user, seconds) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => encoding.b64encode(JSON.stringify(value), 'rawurl');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + seconds })}`;
  return `${text}.${crypto.hmac('sha256', secret, text, 'base64rawurl')}`;
}
