// The tabs a first visit opens with, in order. GraphiQL titles a tab by its operation's name.
export const firstTabs = [
  `# Create a job: PENDING until it is run.
mutation CreateJob {
  createJob(
    input: {
      taskName: "Send Test Email"
      payload: { email: "example@test.com" }
      priority: HIGH
    }
  ) {
    job {
      id
      taskName
      status
      priority
      payload
      createdAt
    }
  }
}
`,
  `# Run the job with this id.
mutation RunJob {
  runJob(id: "1") {
    job {
      id
      status
    }
  }
}
`,
  `# Watch every status change as it happens.
subscription Watch {
  jobStatusChanged {
    cursor
    from
    to
    at
    job {
      id
      taskName
      status
      attempt
      result
    }
  }
}
`,
  `# List completed jobs of high priority.
query Jobs {
  jobs(
    status: [COMPLETED]
    priority: [HIGH]
    first: 20
  ) {
    nodes {
      id
      taskName
      status
      priority
      createdAt
      finishedAt
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
  }
}
`,
].map((query) => ({ query }));
