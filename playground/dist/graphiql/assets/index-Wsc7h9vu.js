import{r as e}from"./rolldown-runtime-XKyaHtl9.js";import{c as t,d as n,f as r,fr as i,i as a,l as o,n as s,p as c,r as l,s as u,t as d}from"./libraries-BpujkGOh.js";function f(e){return new Worker(new URL(`editor.worker-DEFT_Yb2.js`,import.meta.url).href,{type:`module`,name:e?.name})}function p(e){return new Worker(new URL(`json.worker-ky6CAS4V.js`,import.meta.url).href,{type:`module`,name:e?.name})}function m(e){return new Worker(new URL(`graphql.worker-CnQW6F4w.js`,import.meta.url).href,{type:`module`,name:e?.name})}window.MonacoEnvironment={getWorker(e,t){return t===`json`?new p:t===`graphql`?new m:new f}};var h=e(i(),1),g=a(),_=[`# Create a job: PENDING until it is run.
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
`,`# Run the job with this id.
mutation RunJob {
  runJob(id: "1") {
    job {
      id
      status
    }
  }
}
`,`# Watch every status change as it happens.
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
`,`# List completed jobs of high priority.
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
`].map(e=>({query:e})),v=n({namespace:`signalbox:${location.pathname}`}),y=`graphiql:shouldPersistHeaders`,b=[`graphiql:queries`,`graphiql:favorites`];function x(){return v.getItem(y)===`true`}function S(e){return JSON.stringify(JSON.parse(e),(e,t)=>e===`headers`?void 0:t)}var C={getItem:v.getItem,setItem(e,t){let n=b.includes(e)&&!x();if(v.setItem(e,n?S(t):t),e===y&&t!==`true`)for(let e of b){let t=v.getItem(e);t&&v.setItem(e,S(t))}},removeItem:v.removeItem,clear:v.clear,get length(){return v.length}},w=o(),T=new URL(location.pathname,location.origin),E=new URL(T);E.protocol=location.protocol===`https:`?`wss:`:`ws:`;var D=(e,t)=>r({url:T.href,wsClient:d({url:E.href,connectionParams:t?.headers,shouldRetry:e=>e instanceof CloseEvent&&e.code!==s.Forbidden}),enableIncrementalDelivery:!1})(e,t);function O(){let{theme:e}=u(c(`theme`)),{setTheme:n}=t();return(0,h.useEffect)(()=>{let t=matchMedia(`(prefers-color-scheme: dark)`),r=()=>n(e);return t.addEventListener(`change`,r),()=>t.removeEventListener(`change`,r)},[e,n]),null}(0,g.createRoot)(document.getElementById(`root`)).render((0,w.jsx)(l,{fetcher:D,storage:C,defaultTabs:_,defaultQuery:``,shouldPersistHeaders:x(),showPersistHeadersSettings:!0,children:(0,w.jsxs)(l.Logo,{children:[(0,w.jsx)(O,{}),(0,w.jsx)(`a`,{className:`graphiql-logo-link`,href:`./`,children:`Signalbox`})]})}));