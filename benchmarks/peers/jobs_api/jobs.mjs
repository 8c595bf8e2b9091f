// What all peers share: the table, its statements, and the schema. The answers are those of Signalbox.
import { GraphQLError, GraphQLScalarType, Kind } from 'graphql'
import { createPool } from 'mysql2/promise'

const url = new URL(process.argv[3])
const pool = createPool({
  host: url.hostname, port: Number(url.port), user: url.username, password: url.password,
  database: url.pathname.slice(1), connectionLimit: 10, timezone: 'Z',
})
const PRIORITIES = { HIGH: 1, MEDIUM: 2, LOW: 3 }
const NAMES = Object.fromEntries(Object.entries(PRIORITIES).map(([name, value]) => [value, name]))
const COLUMNS = 'id, task_name AS taskName, payload, priority, status, created_at AS createdAt, updated_at AS updatedAt'

const shown = row => ({ ...row, id: String(row.id), payload: JSON.parse(row.payload), priority: NAMES[row.priority] })

export async function job(id) {
  const [rows] = await pool.execute(`SELECT ${COLUMNS} FROM peer_jobs WHERE id = ?`, [id])
  return rows.length ? shown(rows[0]) : null
}

export async function jobs({ status, priority, first = 50 }) {
  const [rows] = await pool.execute(
    `SELECT ${COLUMNS} FROM peer_jobs WHERE status = ? AND priority = ? ORDER BY id DESC LIMIT ${Number(first) + 1}`,
    [status[0], PRIORITIES[priority[0]]],
  )
  const nodes = rows.slice(0, first).map(shown)
  const last = nodes.at(-1)
  const endCursor = last ? Buffer.from(JSON.stringify(['00000000', null, Number(last.id)])).toString('base64url') : null
  return { nodes, pageInfo: { hasNextPage: rows.length > first, endCursor } }
}

export async function createJob({ taskName, payload = null, priority = 'MEDIUM' }) {
  const now = new Date()
  const [result] = await pool.execute(
    "INSERT INTO peer_jobs (task_name, payload, priority, status, created_at, updated_at) VALUES (?, ?, ?, 'PENDING', ?, ?)",
    [taskName, JSON.stringify(payload), PRIORITIES[priority], now, now],
  )
  const job = { id: String(result.insertId), taskName, payload, priority, status: 'PENDING', createdAt: now, updatedAt: now }
  return { job, created: true }
}

export const typeDefs = `
  scalar JSON
  scalar DateTime
  enum JobStatus { PENDING SCHEDULED QUEUED RUNNING COMPLETED FAILED CANCELLED }
  enum JobPriority { HIGH MEDIUM LOW }
  type Job {
    id: ID! taskName: String! payload: JSON priority: JobPriority! status: JobStatus!
    createdAt: DateTime! updatedAt: DateTime!
  }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type JobConnection { nodes: [Job!]! pageInfo: PageInfo! }
  input CreateJobInput { taskName: String! payload: JSON priority: JobPriority }
  type CreateJobPayload { job: Job! created: Boolean! }
  type Query {
    job(id: ID!): Job
    jobs(status: [JobStatus!], priority: [JobPriority!], first: Int): JobConnection!
  }
  type Mutation { createJob(input: CreateJobInput!): CreateJobPayload! }
`

const literal = node => {
  if (node.kind === Kind.OBJECT) return Object.fromEntries(node.fields.map(each => [each.name.value, literal(each.value)]))
  if (node.kind === Kind.LIST) return node.values.map(literal)
  if (node.kind === Kind.INT || node.kind === Kind.FLOAT) return Number(node.value)
  if (node.kind === Kind.NULL) return null
  if (node.kind === Kind.VARIABLE) throw new GraphQLError('no variables in JSON literals')
  return node.value
}

export const resolvers = {
  JSON: new GraphQLScalarType({ name: 'JSON', parseValue: value => value, parseLiteral: literal }),
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: value => value.toISOString() }),
  Query: { job: (_, { id }) => job(id), jobs: (_, asked) => jobs(asked) },
  Mutation: { createJob: (_, { input }) => createJob(input) },
}
export const port = Number(process.argv[2])
