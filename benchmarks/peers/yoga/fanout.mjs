// graphql-yoga with graphql-ws, as their documentation sets them up: one subscription, fed by yoga's own pub/sub.
// POST /publish?n=200&rate=0 publishes n events, rate a second (0: as fast as it can).
import { createServer } from "node:http";
import { createPubSub, createSchema, createYoga } from "graphql-yoga";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const pubSub = createPubSub();
const schema = createSchema({
  typeDefs: /* GraphQL */ `
    enum JobStatus { PENDING SCHEDULED QUEUED RUNNING COMPLETED FAILED CANCELLED }
    type Job { id: ID! taskName: String! status: JobStatus! }
    type JobStatusChange { cursor: String! at: String! to: JobStatus! job: Job! }
    type Query { hello: String }
    type Subscription { jobStatusChanged: JobStatusChange! }
  `,
  resolvers: {
    Subscription: { jobStatusChanged: { subscribe: () => pubSub.subscribe("changed"), resolve: (change) => change } },
  },
});
const yoga = createYoga({ schema, logging: false });
const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname !== "/publish") return yoga(request, response);
  const count = Number(url.searchParams.get("n"));
  const rate = Number(url.searchParams.get("rate"));
  for (let n = 1; n <= count; n++) {
    pubSub.publish("changed", {
      cursor: String(n),
      at: new Date().toISOString(),
      to: "PENDING",
      job: { id: String(n), taskName: "simulate", status: "PENDING" },
    });
    await new Promise((done) => (rate ? setTimeout(done, 1000 / rate) : setImmediate(done)));
  }
  response.end("{}");
});
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint });
useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, payload) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params: payload,
      });
      const args = {
        schema,
        operationName: payload.operationName,
        document: parse(payload.query),
        variableValues: payload.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length ? errors : args;
    },
  },
  sockets,
);
server.listen(Number(process.argv[2]), "127.0.0.1");
