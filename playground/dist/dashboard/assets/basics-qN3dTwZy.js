import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,E as n,T as r,Y as i,ot as a,st as o,w as s}from"./libraries-BILRSEa6.js";import{a as ee,d as c,f as l,i as te,o as u,t as ne,u as d}from"./format-C9MVZOeq.js";var f=`signalbox.key`,p=c({state:`open`,wasRefused:!1,readOnly:!1}),m=()=>sessionStorage.getItem(f);function re(e){sessionStorage.setItem(f,e),p.set({state:`open`,wasRefused:!1,readOnly:!1})}function ie(){sessionStorage.removeItem(f),p.set({state:`asking`,wasRefused:!1,readOnly:!1})}function h(e){if(e!==m())return;sessionStorage.removeItem(f);let{state:t,wasRefused:n}=p.get();p.set({state:`asking`,wasRefused:!!e||t===`asking`&&n,readOnly:!1})}var ae=new URL(document.baseURI).pathname,g=new URL(`graphql`,document.baseURI).href,_=class extends Error{code;field;constructor(e,t,n){super(e),this.code=t,this.field=n}},v=class{text;token=`raw:${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;constructor(e){this.text=e}toJSON(){return this.token}};function y(e,t){let n=[],r=JSON.stringify(e,function(e,t){let r=this[e];return r instanceof v&&n.push(r),t},t);return n.reduce((e,t)=>e.replace(`"${t.token}"`,()=>t.text),r)}var b=(e,t)=>y({query:e.replace(/\s+/g,` `),variables:t}),oe=(e,t)=>`${g}#${new URLSearchParams({query:e,variables:y(t,2)})}`;async function se(e,t={},n){let r=m(),i;try{i=await fetch(g,{method:`POST`,headers:{"content-type":`application/json`,accept:`application/json`,...r?{authorization:`Bearer ${r}`}:{}},body:b(e,t),signal:n})}catch(e){throw n?.aborted?e:new _(`The server cannot be reached.`,`UNREACHABLE`)}let a;try{a=await i.json()}catch{throw new _(`The server answered ${i.status} without JSON.`,`UNREACHABLE`)}let[o]=a.errors??[];if(o){let e=o.extensions?.code??`UNKNOWN`;throw e===`UNAUTHENTICATED`&&h(r),new _(o.message,e,o.extensions?.field)}return a.data}var x=`
  id taskName status priority tags attempt maxAttempts progress payloadPreview
  createdAt updatedAt runAt startedAt finishedAt error { code message }`,S=`
  id event status url nextTryAt createdAt job { id taskName } tries { at durationMs responseStatus error }`,ce=`query DashboardCursor { eventCursor }`,le=`subscription DashboardChanges($after: String) {
  jobStatusChanged(after: $after) { cursor from to at job { ${x} } }
}`,ue=`query DashboardJobs(
  $status: [JobStatus!] $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime $after: String $first: Int
) {
  jobs(
    status: $status priority: $priority taskName: $taskName tag: $tag search: $search
    createdAfter: $createdAfter createdBefore: $createdBefore after: $after first: $first
  ) { nodes { ${x} } pageInfo { hasNextPage endCursor } }
}`,de=`priority: $priority taskName: $taskName tag: $tag search: $search createdAfter: $createdAfter createdBefore: $createdBefore first: 1`,C=(e,t)=>`${e}: jobs(${t}${de}) { totalCount(atMost: 10000) }`,fe=`query DashboardCounts(
  $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime
) {
  ${C(`ALL`,``)}
  ${C(`PENDING`,`status: [PENDING] `)}
  ${C(`SCHEDULED`,`status: [SCHEDULED] `)}
  ${C(`QUEUED`,`status: [QUEUED] `)}
  ${C(`RUNNING`,`status: [RUNNING] `)}
  ${C(`COMPLETED`,`status: [COMPLETED] `)}
  ${C(`FAILED`,`status: [FAILED] `)}
  ${C(`CANCELLED`,`status: [CANCELLED] `)}
}`,pe=`query DashboardJob($id: ID!) {
  job(id: $id) {
    ${x}
    payloadText resultText timeoutSeconds idempotencyKey waitingFor
    error { code message traceback }
    schedule { id name } copyOf { id }
    attempts { number outcome worker startedAt finishedAt error { code message traceback } }
    events { cursor from to attempt at }
    deliveries { ${S} }
  }
}`,me=`query DashboardLogs($id: ID!, $after: String) {
  job(id: $id) {
    progress
    logs(first: 100, after: $after) { nodes { at attempt level message } pageInfo { hasNextPage endCursor } }
  }
}`,he=`query DashboardOverview {
  version
  jobStats { total byStatus { status count } completedLastMinute failedLastMinute oldestQueuedSeconds }
  workers { id host pid slots running startedAt heartbeatAt }
  schedules { id name taskName cron timezone paused nextRunAt }
  tasks { name paused }
  failures: jobs(status: [FAILED], orderBy: { field: UPDATED_AT, direction: DESC }, first: 6) { nodes { ${x} } }
}`,ge=`query DashboardThroughput($period: ThroughputPeriod!) {
  throughput(period: $period) { stepSeconds points { at created completed failed cancelled } }
}`,_e=`query DashboardTasks {
  tasks { name description payloadSchema maxAttempts timeoutSeconds paused }
}`,ve=`query DashboardSchedules {
  schedules {
    id name taskName priority cron timezone overlap misfire paused nextRunAt lastRunAt nextRuns(first: 5) payloadText
    lastFirings(first: 30) { at job { id status } }
  }
}`,ye=`mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) { created job { ${x} } }
}`,w=`mutation CreateJobs($inputs: [CreateJobInput!]!) {
  createJobs(inputs: $inputs) { jobs { id } }
}`,T=`mutation RunJob($id: ID!) { runJob(id: $id) { job { ${x} } } }`,E=`mutation CancelJob($id: ID!) { cancelJob(id: $id) { job { ${x} } } }`,D=`mutation RetryJob($id: ID!) { retryJob(id: $id) { job { ${x} } } }`,O=`mutation DeleteJob($id: ID!) { deleteJob(id: $id) { id } }`,k=`mutation CopyJob($id: ID!, $payload: JSON, $run: Boolean!) {
  copyJob(id: $id, payload: $payload, run: $run) { job { id } }
}`,A=`mutation RunJobs($filter: JobFilter!, $dryRun: Boolean!) {
  runJobs(filter: $filter, dryRun: $dryRun) { count }
}`,j=`mutation CancelJobs($filter: JobFilter!, $dryRun: Boolean!) {
  cancelJobs(filter: $filter, dryRun: $dryRun) { count }
}`,M=`mutation RetryJobs($filter: JobFilter!, $dryRun: Boolean!) {
  retryJobs(filter: $filter, dryRun: $dryRun) { count }
}`,N=`mutation DeleteJobs($filter: JobFilter!, $dryRun: Boolean!) {
  deleteJobs(filter: $filter, dryRun: $dryRun) { count }
}`,P=`mutation CreateSchedule($input: CreateScheduleInput!) {
  createSchedule(input: $input) { schedule { id } }
}`,be=`mutation UpdateSchedule($input: UpdateScheduleInput!) {
  updateSchedule(input: $input) { schedule { id } }
}`,xe=`query DashboardNextRuns($cron: String!, $timezone: String!) {
  nextRuns(cron: $cron, timezone: $timezone, first: 5)
}`,Se=`mutation PauseSchedule($id: ID!) { pauseSchedule(id: $id) { schedule { id } } }`,Ce=`mutation ResumeSchedule($id: ID!) { resumeSchedule(id: $id) { schedule { id } } }`,we=`mutation TriggerSchedule($id: ID!) { triggerSchedule(id: $id) { job { id } } }`,Te=`mutation DeleteSchedule($id: ID!) { deleteSchedule(id: $id) { id } }`,Ee=`query DashboardEndpoints {
  webhookEndpoints {
    id url events taskNames enabled disabledReason createdAt circuit { failuresInARow failingSince openUntil }
  }
}`,De=`query DashboardLastDeliveries($id: ID!) {
  webhookDeliveries(filter: { endpointId: $id }, first: 20) {
    nodes { id status createdAt tries { at durationMs responseStatus error } }
  }
}`,Oe=`query DashboardDeliveries($filter: WebhookDeliveryFilter, $first: Int, $after: String) {
  webhookDeliveries(filter: $filter, first: $first, after: $after) {
    nodes { ${S} } pageInfo { hasNextPage endCursor }
  }
}`,ke=`query DashboardDeliveryCounts(
  $ALL: WebhookDeliveryFilter $PENDING: WebhookDeliveryFilter $DELIVERED: WebhookDeliveryFilter
  $FAILED: WebhookDeliveryFilter
) {
  ALL: webhookDeliveries(filter: $ALL, first: 1) { totalCount(atMost: 10000) }
  PENDING: webhookDeliveries(filter: $PENDING, first: 1) { totalCount(atMost: 10000) }
  DELIVERED: webhookDeliveries(filter: $DELIVERED, first: 1) { totalCount(atMost: 10000) }
  FAILED: webhookDeliveries(filter: $FAILED, first: 1) { totalCount(atMost: 10000) }
}`,Ae=`query DashboardDelivery($id: ID!) {
  webhookDelivery(id: $id) { ${S} body tries { responseBody } }
}`,je=`mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url } }
}`,Me=`mutation UpdateEndpoint($input: UpdateWebhookEndpointInput!) {
  updateWebhookEndpoint(input: $input) { endpoint { id } }
}`,Ne=`mutation RotateSecret($id: ID!) {
  rotateWebhookSecret(id: $id) { secret endpoint { id url } }
}`,Pe=`mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }`,Fe=`mutation TestEndpoint($id: ID!) {
  testWebhookEndpoint(id: $id) { body outcome { at durationMs responseStatus error responseBody } }
}`,Ie=`mutation Redeliver($id: ID!) { redeliverWebhook(id: $id) { delivery { id status } } }`,Le=`mutation RedeliverAll($filter: WebhookDeliveryFilter!, $dryRun: Boolean!) {
  redeliverWebhooks(filter: $filter, dryRun: $dryRun) { count }
}`,F=`mutation MayWrite { cancelJobs(filter: { ids: ["1"] }, dryRun: true) { count } }`,I=[`COMPLETED`,`FAILED`,`CANCELLED`],L=new i({defaultOptions:{queries:{staleTime:0,retry:(e,t)=>t instanceof _&&t.code===`UNREACHABLE`&&e<1e6,retryDelay:e=>Math.min(500*2**e,3e3),refetchOnWindowFocus:!1,networkMode:`always`},mutations:{networkMode:`always`,retry:!1}}}),R=c([]),z=(e,t)=>t.updatedAt>=e.updatedAt?{...e,...t,error:t.error&&{...e.error,...t.error}}:e;function Re(e){let t=new Map(e.map(e=>[e.job.id,e.job]));L.setQueriesData({queryKey:[`jobs`]},e=>e?.pages.some(e=>e.nodes.some(e=>t.has(e.id)))?{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.map(e=>{let n=t.get(e.id);return n?z(e,n):e})}))}:e);for(let[e,n]of t)L.setQueryData([`job`,e],e=>e&&z(e,n)),V([`job`,e],150);V([`counts`],1500),V([`overview`],800),e.some(e=>I.includes(e.to))&&(V([`webhooks`],1500),V([`schedules`],1500)),R.set(e)}var B=new Map;function V(e,t){let n=e.join(`/`),r=B.get(n)??{timer:void 0,last:0};B.set(n,r),r.timer||=setTimeout(()=>{r.timer=void 0,r.last=Date.now(),B.size>500&&B.delete(n),L.invalidateQueries({queryKey:e})},Math.max(60,r.last+t-Date.now()))}function ze(){for(let e of L.getQueryCache().findAll())Be(e)}async function Be(e){for(;e.state.fetchStatus===`fetching`;)await new Promise(e=>setTimeout(e,50));await L.invalidateQueries({queryKey:e.queryKey,exact:!0},{cancelRefetch:!1})}function Ve(e){let t=new Set(e);L.setQueriesData({queryKey:[`jobs`]},e=>e&&{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.filter(e=>!t.has(e.id))}))}),V([`counts`],0),V([`overview`],0)}var H=e(o(),1);async function He(e){if(navigator.clipboard&&window.isSecureContext)try{return await navigator.clipboard.writeText(e)}catch{}let t=document.createElement(`textarea`);t.value=e,t.setAttribute(`readonly`,``),t.className=`fixed top-0 opacity-0`,(document.querySelector(`dialog[open]`)??document.body).append(t);let n=document.activeElement;t.select(),document.execCommand(`copy`),t.remove(),n?.focus()}var U=c(Date.now()),W=0,G;function K(){return(0,H.useEffect)(()=>(W++===0&&(U.set(Date.now()),G=setInterval(()=>U.set(Date.now()),1e3)),()=>{--W===0&&clearInterval(G)}),[]),l(U)}var q=a(),J={plain:`border-edge bg-card text-ink hover:not-disabled:bg-raised`,solid:`border-solid bg-solid text-white hover:not-disabled:bg-solidhover`,danger:`border-failed bg-card text-failed hover:not-disabled:bg-raised`,bare:`border-transparent text-soft hover:not-disabled:bg-raised hover:not-disabled:text-ink`},Y=`inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md border px-3 py-1 font-medium whitespace-nowrap disabled:cursor-not-allowed disabled:border-line disabled:bg-raised disabled:text-soft`;function X({kind:e=`plain`,className:t=``,...n}){return(0,q.jsx)(`button`,{type:`button`,...n,className:`${Y} ${J[e]} ${t}`})}function Ue({className:e=``,...t}){return(0,q.jsx)(`a`,{...t,target:`_blank`,rel:`noreferrer`,className:`${Y} ${J.bare} ${e}`})}function We({why:e,children:t,onClick:n,...r}){return(0,q.jsxs)(X,{...r,title:e??r.title,"aria-disabled":e?!0:void 0,onClick:e?void 0:n,className:`${r.className??``} ${e?`cursor-not-allowed! border-line! bg-raised! text-soft!`:``}`,children:[t,e&&(0,q.jsxs)(`span`,{className:`sr-only`,children:[`(`,e,`)`]})]})}function Ge({at:e}){let t=K(),{zone:n}=l(d);return e?(0,q.jsx)(`time`,{dateTime:e,title:u(e,n),className:`whitespace-nowrap`,children:ne(t-Date.parse(e))}):(0,q.jsx)(`span`,{className:`text-soft`,children:`–`})}function Ke({at:e}){let{zone:t}=l(d);return e?(0,q.jsx)(`time`,{dateTime:e,title:u(e,t===`utc`?`local`:`utc`),children:u(e,t)}):(0,q.jsx)(`span`,{className:`text-soft`,children:`–`})}var Z=e=>te(e,l(d).zone);function qe({from:e,to:t}){let n=K();if(!e)return(0,q.jsx)(`span`,{className:`text-soft`,children:`–`});let r=(t?Date.parse(t):n)-Date.parse(e);return(0,q.jsx)(`span`,{className:`whitespace-nowrap tabular-nums`,children:ee(t?r:Math.floor(Math.max(r,0)/1e3)*1e3)})}function Je({text:e,what:t,label:i}){let[a,o]=(0,H.useState)(!1);(0,H.useEffect)(()=>{if(!a)return;let e=setTimeout(()=>o(!1),1500);return()=>clearTimeout(e)},[a]);let s=a?n:r;return(0,q.jsxs)(X,{kind:`bare`,className:`px-2!`,"aria-label":i?void 0:`Copy ${t}`,title:`Copy ${t}`,onClick:()=>He(e).then(()=>o(!0)),children:[(0,q.jsx)(s,{"aria-hidden":!0,className:`size-4`}),i,(0,q.jsx)(`span`,{role:`status`,className:`sr-only`,children:a?`Copied`:``})]})}function Ye({title:e,onClose:n,children:r,wide:i}){let a=(0,H.useRef)(null),o=(0,H.useId)();return(0,H.useEffect)(()=>{let e=document.activeElement,t=a.current;return t.showModal(),t.querySelector(`[data-focus]`)?.focus(),()=>{t.close(),e?.isConnected&&e.focus()}},[]),(0,q.jsx)(`dialog`,{ref:a,"aria-labelledby":o,onCancel:e=>{e.preventDefault(),n()},onMouseDown:e=>e.target===a.current&&n(),className:`max-h-[min(92dvh,860px)] w-[calc(100vw-1.5rem)] overflow-y-auto rounded-xl border border-line bg-card p-0 shadow-2xl ${i?`max-w-2xl`:`max-w-md`}`,children:(0,q.jsxs)(`div`,{className:`p-4 sm:p-5`,children:[(0,q.jsxs)(`header`,{className:`mb-3 flex items-start justify-between gap-3`,children:[(0,q.jsx)(`h2`,{id:o,className:`text-base font-semibold`,children:e}),(0,q.jsx)(X,{kind:`bare`,className:`-mt-1 -mr-1 px-2!`,"aria-label":`Close`,onClick:n,children:(0,q.jsx)(t,{"aria-hidden":!0,className:`size-4`})})]}),r]})})}function Q({children:e}){return(0,q.jsxs)(`p`,{role:`alert`,className:`flex items-start gap-1.5 text-failed`,children:[(0,q.jsx)(s,{"aria-hidden":!0,className:`mt-0.5 size-4 shrink-0`}),(0,q.jsx)(`span`,{className:`min-w-0 wrap-anywhere`,children:e})]})}function Xe({title:e,children:t}){return(0,q.jsxs)(`div`,{className:`flex flex-col items-center gap-3 px-4 py-12 text-center`,children:[(0,q.jsx)(`p`,{className:`text-base font-medium`,children:e}),(0,q.jsx)(`div`,{className:`flex max-w-full flex-col items-center gap-3 text-soft`,children:t})]})}function Ze({rows:e=6}){return(0,q.jsx)(`div`,{role:`status`,"aria-label":`Loading`,className:`space-y-2 p-3`,children:Array.from({length:e},(e,t)=>(0,q.jsx)(`div`,{className:`skeleton h-8`},t))})}function Qe({error:e,dataFrom:t,retry:n}){let r=Z(t||0);return e?(0,q.jsxs)(`div`,{className:`card mb-3 flex flex-wrap items-center justify-between gap-2 border-failed px-3 py-2`,children:[(0,q.jsxs)(Q,{children:[e.message,t>0&&` This is from ${r}.`]}),(0,q.jsx)(X,{onClick:n,children:`Try again`})]}):null}var $=c([]),$e=0;function et(e,t=!1){let n=++$e;$.set([...$.get().slice(-2),{id:n,text:e,bad:t}]),setTimeout(()=>$.set($.get().filter(e=>e.id!==n)),t?8e3:3500)}function tt(){let e=l($);return(0,q.jsx)(`div`,{role:`status`,className:`pointer-events-none fixed inset-x-3 bottom-3 z-50 flex flex-col items-center gap-2`,children:e.map(e=>(0,q.jsx)(`div`,{className:`card max-w-full px-3 py-2 shadow-lg ${e.bad?`border-failed text-failed`:``}`,children:(0,q.jsx)(`span`,{className:`wrap-anywhere`,children:e.text})},e.id))})}export{D as $,ye as A,Ee as B,ze as C,k as D,le as E,Pe as F,me as G,pe as H,Te as I,he as J,F as K,Oe as L,P as M,O as N,fe as O,N as P,Ce as Q,ke as R,Ve as S,ie as St,j as T,ue as U,ce as V,De as W,Ie as X,Se as Y,Le as Z,I as _,se as _t,Je as a,_e as at,R as b,p as bt,Xe as c,we as ct,Q as d,_ as dt,M as et,Ze as f,v as ft,K as g,oe as gt,Z as h,g as ht,Ue as i,ve as it,w as j,je as k,Ke as l,Me as lt,et as m,b as mt,Ge as n,T as nt,Ye as o,Fe as ot,Qe as p,ae as pt,xe as q,X as r,A as rt,qe as s,ge as st,We as t,Ne as tt,tt as u,be as ut,Re as v,m as vt,E as w,V as x,re as xt,L as y,h as yt,Ae as z};