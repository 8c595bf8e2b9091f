import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import { port, resolvers, typeDefs } from './jobs.mjs'

const server = new ApolloServer({ typeDefs, resolvers, csrfPrevention: false })
await startStandaloneServer(server, { listen: { host: '127.0.0.1', port } })
