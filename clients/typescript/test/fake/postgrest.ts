/** PostgREST, as far as our client uses it: anything else in a request is refused, so that no test passes by accident. */
import type { IncomingMessage, ServerResponse } from 'node:http';

import pg from 'pg';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

const OBJECT = 'application/vnd.pgrst.object+json';
/** What PostgREST answers to an error of the database, by the beginning of its code. */
const STATUS: ReadonlyArray<readonly [string, number]> = [['23503', 409], ['23505', 409], ['42501', 403], ['', 400]];

/** The statement a request stands for, and the parts of its answer. */
interface Plan {
  statement: string;
  count?: string;
  offset: number;
  status: number;
}

class Refusal extends Error {
  constructor(readonly code: string, message: string, readonly status = 400) {
    super(message);
  }
}

/** Answers one request below `/rest/v1/`. */
export async function answer(pool: pg.Pool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
    response.end(JSON.stringify(body));
  };
  const connection = await pool.connect();
  try {
    const plan = toPlan(request, await read(request));
    await connection.query('begin');
    await connection.query(identity(request));
    const { rows } = await connection.query(`with w as (${plan.statement}) select coalesce(json_agg(w), '[]') as body from w`);
    const body = rows[0].body as unknown[];
    const total = plan.count && (await connection.query(plan.count)).rows[0].count;
    const wantsObject = request.headers.accept?.includes(OBJECT);
    if (wantsObject && body.length !== 1) {
      throw new Refusal('PGRST116', 'Cannot coerce the result to a single JSON object', 406);
    }
    await connection.query('commit');
    const range = body.length > 0 ? `${plan.offset}-${plan.offset + body.length - 1}` : '*';
    send(plan.status, wantsObject ? body[0] : body, { 'Content-Range': `${range}/${total ?? '*'}` });
  } catch (error) {
    await connection.query('rollback');
    const { code = '', message, detail = null } = error as { code?: string; message: string; detail?: string };
    const status = error instanceof Refusal ? error.status : (STATUS.find(([begin]) => code.startsWith(begin))?.[1] ?? 500);
    send(status, { code, message, details: detail, hint: null });
  } finally {
    connection.release();
  }
}

/** Takes the rights of whoever's key was shown. */
function identity(request: IncomingMessage): string {
  const key = (request.headers.authorization ?? '').replace('Bearer ', '');
  if (request.headers['apikey'] === undefined || key === '') {
    throw new Refusal('', 'No API key found in request', 401);
  }
  const user = /^user:(.+)$/.exec(key)?.[1];
  const [role, claims] = user === undefined ? ['service_role', {}] : ['authenticated', { sub: user }];
  return `set local role ${role}; select set_config('request.jwt.claims', ${literal(JSON.stringify(claims))}, true)`;
}

function toPlan(request: IncomingMessage, text: string): Plan {
  const url = new URL(request.url ?? '', 'http://any');
  const table = /^\/rest\/v1\/(\w+)$/.exec(url.pathname)?.[1];
  if (table === undefined) {
    throw new Refusal('PGRST125', 'Invalid path', 404);
  }
  const filters: string[] = [];
  let [columns, order, limit, offset, insert] = ['*', '', '', 0, ''];
  for (const [key, value] of url.searchParams) {
    if (key === 'select') columns = value.split(',').map((one) => (one === '*' ? '*' : name(one))).join(',');
    else if (key === 'order') order = ` order by ${value.split(',').map(toOrder).join(',')}`;
    else if (key === 'limit') limit = ` limit ${Number(value)}`;
    else if (key === 'offset') offset = Number(value);
    else if (key === 'columns') insert = value;
    else filters.push(toFilter(key, value));
  }
  const prefer = (request.headers['prefer'] ?? '').toString();
  const where = filters.length > 0 ? ` where ${filters.join(' and ')}` : '';
  if (request.method === 'GET') {
    const count = prefer.includes('count=exact') ? { count: `select count(*)::int from ${name(table)} t${where}` } : {};
    const statement = `select ${columns} from ${name(table)} t${where}${order}${limit} offset ${offset}`;
    return { statement, ...count, offset, status: 200 };
  }
  if (!['POST', 'PATCH'].includes(request.method ?? '') || !prefer.includes('return=representation')) {
    throw new Refusal('test', 'our client always asks for what it wrote');
  }
  const rows: Array<Record<string, unknown>> = [JSON.parse(text)].flat();
  const given = toColumns(rows, insert);
  const names = given.map(name).join(',');
  const payload = `json_populate_recordset(null::${name(table)}, ${literal(JSON.stringify(rows))})`;
  const changed = request.method === 'POST'
    ? `insert into ${name(table)} as t (${names}) select ${names} from ${payload}`
    : `update ${name(table)} t set ${given.map((one) => `${name(one)} = n.${name(one)}`).join(',')} from ${payload} n${where}`;
  const returned = columns === '*' ? 't.*' : columns.split(',').map((one) => `t.${one}`).join(',');
  return { statement: `${changed} returning ${returned}`, offset: 0, status: request.method === 'POST' ? 201 : 200 };
}

function toColumns(rows: Array<Record<string, unknown>>, columns: string): string[] {
  if (columns !== '') {
    return columns.split(',').map((one) => one.replaceAll('"', ''));
  }
  const keys = Object.keys(rows[0] ?? {});
  if (rows.some((row) => Object.keys(row).sort().join() !== [...keys].sort().join())) {
    throw new Refusal('PGRST102', 'All object keys must match');
  }
  return keys;
}

function toOrder(text: string): string {
  const [, column, direction] = /^(\w+)\.(asc|desc)$/.exec(text) ?? [];
  if (column === undefined) {
    throw new Refusal('PGRST100', `failed to parse order (${text})`);
  }
  return `${name(column)} ${direction}`;
}

function toFilter(column: string, text: string): string {
  const [, operator, value] = /^(eq|in)\.(.*)$/s.exec(text) ?? [];
  if (operator === 'eq') {
    return `t.${name(column)} = ${literal(value ?? '')}`;
  }
  const list = /^\((.*)\)$/s.exec(value ?? '')?.[1];
  if (operator !== 'in' || list === undefined) {
    throw new Refusal('PGRST100', `failed to parse filter (${column}=${text})`);
  }
  return `t.${name(column)} = any (${literal(`{${list}}`)})`;
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) {
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}
