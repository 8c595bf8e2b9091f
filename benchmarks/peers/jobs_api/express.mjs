// REST: no GraphQL at all.
import express from 'express'
import { createJob, job, jobs, port } from './jobs.mjs'

const app = express()
app.use(express.json())
app.get('/jobs/:id', async (request, response) => response.json(await job(request.params.id)))
app.get('/jobs', async ({ query }, response) =>
  response.json(await jobs({ status: [query.status], priority: [query.priority], first: Number(query.first) })))
app.post('/jobs', async (request, response) => response.status(201).json(await createJob(request.body)))
app.listen(port, '127.0.0.1')
