import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'
import { port, resolvers, typeDefs } from './jobs.mjs'

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false })
createServer(yoga).listen(port, '127.0.0.1')
