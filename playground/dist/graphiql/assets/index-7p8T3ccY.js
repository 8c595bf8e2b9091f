import{r as e}from"./rolldown-runtime-XKyaHtl9.js";import{c as t,d as n,f as r,h as i,i as a,l as o,m as s,mr as c,n as l,p as u,r as d,s as f,t as p}from"./libraries-E1IpeiXn.js";function m(e){return new Worker(new URL(`editor.worker-DEFT_Yb2.js`,import.meta.url).href,{type:`module`,name:e?.name})}function h(e){return new Worker(new URL(`json.worker-ky6CAS4V.js`,import.meta.url).href,{type:`module`,name:e?.name})}function g(e){return new Worker(new URL(`graphql.worker-CnQW6F4w.js`,import.meta.url).href,{type:`module`,name:e?.name})}window.MonacoEnvironment={getWorker(e,t){return t===`json`?new h:t===`graphql`?new g:new m}};var _=e(c(),1),v=a(),y=[`# Create a job: PENDING until it is run.
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
`].map(e=>({query:e})),b=n({namespace:`signalbox:${location.pathname}`}),x=`graphiql:shouldPersistHeaders`,S=[`graphiql:queries`,`graphiql:favorites`];function C(){return b.getItem(x)===`true`}function w(e){return JSON.stringify(JSON.parse(e),(e,t)=>e===`headers`?void 0:t)}var T={getItem:b.getItem,setItem(e,t){let n=S.includes(e)&&!C();if(b.setItem(e,n?w(t):t),e===x&&t!==`true`)for(let e of S){let t=b.getItem(e);t&&b.setItem(e,w(t))}},removeItem:b.removeItem,clear:b.clear,get length(){return b.length}},E=o(),D=new URL(location.pathname,location.origin),O=new URL(D);O.protocol=location.protocol===`https:`?`wss:`:`ws:`;function k(e){let t;try{t=u(e.query)}catch{return{operation:e}}let n=t.definitions.flatMap(e=>e.kind===s.OPERATION_DEFINITION?[e.name?.value]:[]);return{operation:n.length===1?{...e,operationName:n[0]}:e,document:t}}var A=(e,t)=>{let{operation:n,document:i}=k(e);return r({url:D.href,wsClient:p({url:O.href,connectionParams:t?.headers,shouldRetry:e=>e instanceof CloseEvent&&e.code!==l.Forbidden}),enableIncrementalDelivery:!1})(n,{...t,documentAST:i??t?.documentAST})};function j(){let{theme:e}=f(i(`theme`)),{setTheme:n}=t();return(0,_.useEffect)(()=>{let t=matchMedia(`(prefers-color-scheme: dark)`),r=()=>n(e);return t.addEventListener(`change`,r),()=>t.removeEventListener(`change`,r)},[e,n]),null}(0,v.createRoot)(document.getElementById(`root`)).render((0,E.jsx)(d,{fetcher:A,storage:T,defaultTabs:y,defaultQuery:``,shouldPersistHeaders:C(),showPersistHeadersSettings:!0,children:(0,E.jsxs)(d.Logo,{children:[(0,E.jsx)(j,{}),(0,E.jsx)(`a`,{className:`graphiql-logo-link`,href:`./`,children:`Signalbox`})]})}));