// A real OpenID provider for the API's tests: npm oidc-provider, with people who log in by being named.
// Prints its port; ends when its standard input does, so that no test leaves it behind.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

// Whoever logs in next, and what is said of everybody.
let person = 'nobody';
const people = new Map();
let keys = [];
let handle;

function addKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys = [{ ...privateKey.export({ format: 'jwk' }), kid: `key-${Date.now()}`, use: 'sig', alg: 'RS256' }];
}

function start(issuer) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'iroko',
      client_secret: 'a secret: of & theirs = + %',
      redirect_uris: ['http://localhost:9/login'],
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
    }],
    scopes: ['openid', 'profile', 'groups'],
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
    cookies: { keys: ['of the tests only'] },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people.get(id) }) }),
    // Nobody is asked what the client may see.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid profile groups');
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: person } });
    ctx.respond = false;
  });
  const callback = provider.callback();
  handle = (request, response) => callback(request, response);
}

const server = createServer((request, response) => {
  if (request.url !== '/control') return handle(request, response);
  let text = '';
  request.on('data', (piece) => { text += piece; });
  request.on('end', () => {
    const wish = JSON.parse(text);
    if (wish.person) person = wish.person;
    if (wish.claims) people.set(person, wish.claims);
    if (wish.rotate) { addKey(); start(`http://127.0.0.1:${server.address().port}`); }
    response.end('{}');
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  addKey();
  start(`http://127.0.0.1:${port}`);
  console.log(`port ${port}`);
});
// Nobody reads on after the port.
process.stdout.on('error', () => {});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
