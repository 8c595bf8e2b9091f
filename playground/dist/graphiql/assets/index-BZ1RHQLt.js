import{a as e}from"./rolldown-runtime-BWaJ3C7D.js";import{_ as t,a as n,f as r,g as i,i as a,l as o,m as s,n as c,o as l,p as u,r as d,t as f,u as p,vr as m,y as h,yr as g}from"./libraries-CqsTM0Rn.js";function _(e){return new Worker(new URL(`editor.worker-DEFT_Yb2.js`,import.meta.url).href,{type:`module`,name:e?.name})}function v(e){return new Worker(new URL(`json.worker-ky6CAS4V.js`,import.meta.url).href,{type:`module`,name:e?.name})}function y(e){return new Worker(new URL(`graphql.worker-CnQW6F4w.js`,import.meta.url).href,{type:`module`,name:e?.name})}window.MonacoEnvironment={getWorker(e,t){return t===`json`?new v:t===`graphql`?new y:new _}};var b=e(m(),1);s();var x=l(),{rawJSON:S}=JSON;function C(e,t,n){let r=n?.source;return typeof t==`number`&&r&&S&&String(t)!==r?S(r):t}var w=e=>JSON.parse(e,C);async function T(...e){let t=await fetch(...e);return t.json=async()=>w(await t.text()),t}var E=new URLSearchParams(location.hash.slice(1)),D=E.get(`query`);D!==null&&history.replaceState(history.state,``,location.pathname+location.search);var O=D===null?void 0:{query:D,variables:E.get(`variables`)??``},k=[`# Create a job: PENDING until it is run.
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
`].map(e=>({query:e})),A=r({namespace:`signalbox:${location.pathname}`}),j=`graphiql:shouldPersistHeaders`,M=[`graphiql:queries`,`graphiql:favorites`];function N(){return A.getItem(j)===`true`}function P(e){return JSON.stringify(JSON.parse(e),(e,t)=>e===`headers`?void 0:t)}var F={getItem:A.getItem,setItem(e,t){let n=M.includes(e)&&!N();if(A.setItem(e,n?P(t):t),e===j&&t!==`true`)for(let e of M){let t=A.getItem(e);t&&A.setItem(e,P(t))}},removeItem:A.removeItem,clear:A.clear,get length(){return A.length}},I=g(),L=new URL(location.pathname,location.origin),R=new URL(L);R.protocol=location.protocol===`https:`?`wss:`:`ws:`;var z=()=>``;function B(e){try{return w(z())}catch{return e}}function V(e){let n;try{n=i(e.query)}catch{return{operation:e}}let r=n.definitions.flatMap(e=>e.kind===t.OPERATION_DEFINITION?[e.name?.value]:[]);return{operation:r.length===1?{...e,operationName:r[0]}:e,document:n}}var H=(e,t)=>{let{operation:n,document:r}=V({...e,variables:e.variables&&B(e.variables)});return u({url:L.href,fetch:T,wsClient:f({url:R.href,connectionParams:t?.headers,jsonMessageReviver:C,shouldRetry:e=>e instanceof CloseEvent&&e.code!==c.Forbidden}),enableIncrementalDelivery:!1})(n,{...t,documentAST:r??t?.documentAST})};function U(){let{theme:e}=o(h(`theme`)),{setTheme:t}=p();return(0,b.useEffect)(()=>{let n=matchMedia(`(prefers-color-scheme: dark)`),r=()=>t(e);return n.addEventListener(`change`,r),()=>n.removeEventListener(`change`,r)},[e,t]),null}function W(){let{variableEditor:e}=o(h(`variableEditor`));return(0,b.useEffect)(()=>{z=()=>e?.getValue()??``},[e]),null}var G=[a,n()];(0,x.createRoot)(document.getElementById(`root`)).render((0,I.jsx)(d,{fetcher:H,storage:F,plugins:G,defaultTabs:O?[O,...k]:k,initialQuery:O?.query,initialVariables:O?.variables,defaultQuery:``,shouldPersistHeaders:N(),showPersistHeadersSettings:!0,children:(0,I.jsxs)(d.Logo,{children:[(0,I.jsx)(U,{}),(0,I.jsx)(W,{}),(0,I.jsx)(`a`,{className:`graphiql-logo-link`,href:`./`,children:`Signalbox`})]})}));