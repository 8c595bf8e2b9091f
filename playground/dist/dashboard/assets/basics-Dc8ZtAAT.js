import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,E as n,T as r,Y as i,ot as a,st as o,w as s}from"./libraries-CFOc_zN_.js";import{a as ee,d as c,f as l,i as te,o as u,t as ne,u as d}from"./format-DLF1zQw7.js";var f=`signalbox.key`,p=c({state:`open`,wasRefused:!1,readOnly:!1}),m=()=>sessionStorage.getItem(f);function re(e){sessionStorage.setItem(f,e),p.set({state:`open`,wasRefused:!1,readOnly:!1})}function ie(){sessionStorage.removeItem(f),p.set({state:`asking`,wasRefused:!1,readOnly:!1})}function h(e){if(e!==m())return;sessionStorage.removeItem(f);let{state:t,wasRefused:n}=p.get();p.set({state:`asking`,wasRefused:!!e||t===`asking`&&n,readOnly:!1})}var ae=new URL(document.baseURI).pathname,g=new URL(`graphql`,document.baseURI).href,_=class extends Error{code;field;constructor(e,t,n){super(e),this.code=t,this.field=n}},v=class{text;token=`raw:${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;constructor(e){this.text=e}toJSON(){return this.token}};function y(e,t){let n=[],r=JSON.stringify(e,function(e,t){let r=this[e];return r instanceof v&&n.push(r),t},t);return n.reduce((e,t)=>e.replace(`"${t.token}"`,()=>t.text),r)}var b=(e,t)=>y({query:e.replace(/\s+/g,` `),variables:t}),oe=(e,t)=>`${g}#${new URLSearchParams({query:e,variables:y(t,2)})}`;async function se(e,t={},n){let r=m(),i;try{i=await fetch(g,{method:`POST`,headers:{"content-type":`application/json`,accept:`application/json`,...r?{authorization:`Bearer ${r}`}:{}},body:b(e,t),signal:n})}catch(e){throw n?.aborted?e:new _(`The server cannot be reached.`,`UNREACHABLE`)}let a;try{a=await i.json()}catch{throw new _(`The server answered ${i.status} without JSON.`,`UNREACHABLE`)}let[o]=a.errors??[];if(o){let e=o.extensions?.code??`UNKNOWN`;throw e===`UNAUTHENTICATED`&&h(r),new _(o.message,e,o.extensions?.field)}return a.data}var x=`
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
  tasks { name description paused maxConcurrency maxConcurrencyPerKey rateLimit }
  failures: jobs(status: [FAILED], orderBy: { field: UPDATED_AT, direction: DESC }, first: 6) { nodes { ${x} } }
}`,ge=`query DashboardThroughput($period: ThroughputPeriod!) {
  throughput(period: $period) { stepSeconds points { at created completed failed cancelled } }
}`,_e=e=>{let t=[...Array(e).keys()],n=t.map(e=>`of${e}: jobs(status: [QUEUED] taskName: $name${e} first: 1) { totalCount(atMost: 10000) }`);return`query DashboardWaiting(${t.map(e=>`$name${e}: String`).join(` `)}) { ${n.join(` `)} }`},ve=`mutation PauseTask($name: String!) { pauseTask(name: $name) { task { name paused } } }`,ye=`mutation ResumeTask($name: String!) { resumeTask(name: $name) { task { name paused } } }`,w=`query DashboardTasks {
  tasks { name description payloadSchema maxAttempts timeoutSeconds paused }
}`,T=`query DashboardSchedules {
  schedules {
    id name taskName priority cron timezone overlap misfire paused nextRunAt lastRunAt nextRuns(first: 5) payloadText
    lastFirings(first: 30) { at job { id status } }
  }
}`,E=`mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) { created job { ${x} } }
}`,D=`mutation CreateJobs($inputs: [CreateJobInput!]!) {
  createJobs(inputs: $inputs) { jobs { id } }
}`,O=`mutation RunJob($id: ID!) { runJob(id: $id) { job { ${x} } } }`,k=`mutation CancelJob($id: ID!) { cancelJob(id: $id) { job { ${x} } } }`,A=`mutation RetryJob($id: ID!) { retryJob(id: $id) { job { ${x} } } }`,j=`mutation DeleteJob($id: ID!) { deleteJob(id: $id) { id } }`,M=`mutation CopyJob($id: ID!, $payload: JSON, $run: Boolean!) {
  copyJob(id: $id, payload: $payload, run: $run) { job { id } }
}`,N=`mutation RunJobs($filter: JobFilter!, $dryRun: Boolean!) {
  runJobs(filter: $filter, dryRun: $dryRun) { count }
}`,P=`mutation CancelJobs($filter: JobFilter!, $dryRun: Boolean!) {
  cancelJobs(filter: $filter, dryRun: $dryRun) { count }
}`,be=`mutation RetryJobs($filter: JobFilter!, $dryRun: Boolean!) {
  retryJobs(filter: $filter, dryRun: $dryRun) { count }
}`,xe=`mutation DeleteJobs($filter: JobFilter!, $dryRun: Boolean!) {
  deleteJobs(filter: $filter, dryRun: $dryRun) { count }
}`,Se=`mutation CreateSchedule($input: CreateScheduleInput!) {
  createSchedule(input: $input) { schedule { id } }
}`,Ce=`mutation UpdateSchedule($input: UpdateScheduleInput!) {
  updateSchedule(input: $input) { schedule { id } }
}`,we=`query DashboardNextRuns($cron: String!, $timezone: String!) {
  nextRuns(cron: $cron, timezone: $timezone, first: 5)
}`,Te=`mutation PauseSchedule($id: ID!) { pauseSchedule(id: $id) { schedule { id } } }`,Ee=`mutation ResumeSchedule($id: ID!) { resumeSchedule(id: $id) { schedule { id } } }`,De=`mutation TriggerSchedule($id: ID!) { triggerSchedule(id: $id) { job { id } } }`,Oe=`mutation DeleteSchedule($id: ID!) { deleteSchedule(id: $id) { id } }`,ke=`query DashboardEndpoints {
  webhookEndpoints {
    id url events taskNames enabled disabledReason createdAt circuit { failuresInARow failingSince openUntil }
  }
}`,Ae=`query DashboardLastDeliveries($id: ID!) {
  webhookDeliveries(filter: { endpointId: $id }, first: 20) {
    nodes { id status createdAt tries { at durationMs responseStatus error } }
  }
}`,je=`query DashboardDeliveries($filter: WebhookDeliveryFilter, $first: Int, $after: String) {
  webhookDeliveries(filter: $filter, first: $first, after: $after) {
    nodes { ${S} } pageInfo { hasNextPage endCursor }
  }
}`,Me=`query DashboardDeliveryCounts(
  $ALL: WebhookDeliveryFilter $PENDING: WebhookDeliveryFilter $DELIVERED: WebhookDeliveryFilter
  $FAILED: WebhookDeliveryFilter
) {
  ALL: webhookDeliveries(filter: $ALL, first: 1) { totalCount(atMost: 10000) }
  PENDING: webhookDeliveries(filter: $PENDING, first: 1) { totalCount(atMost: 10000) }
  DELIVERED: webhookDeliveries(filter: $DELIVERED, first: 1) { totalCount(atMost: 10000) }
  FAILED: webhookDeliveries(filter: $FAILED, first: 1) { totalCount(atMost: 10000) }
}`,Ne=`query DashboardDelivery($id: ID!) {
  webhookDelivery(id: $id) { ${S} body tries { responseBody } }
}`,Pe=`mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url } }
}`,Fe=`mutation UpdateEndpoint($input: UpdateWebhookEndpointInput!) {
  updateWebhookEndpoint(input: $input) { endpoint { id } }
}`,Ie=`mutation RotateSecret($id: ID!) {
  rotateWebhookSecret(id: $id) { secret endpoint { id url } }
}`,Le=`mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }`,Re=`mutation TestEndpoint($id: ID!) {
  testWebhookEndpoint(id: $id) { body outcome { at durationMs responseStatus error responseBody } }
}`,ze=`mutation Redeliver($id: ID!) { redeliverWebhook(id: $id) { delivery { id status } } }`,Be=`mutation RedeliverAll($filter: WebhookDeliveryFilter!, $dryRun: Boolean!) {
  redeliverWebhooks(filter: $filter, dryRun: $dryRun) { count }
}`,Ve=`mutation MayWrite { cancelJobs(filter: { ids: ["1"] }, dryRun: true) { count } }`,F=[`COMPLETED`,`FAILED`,`CANCELLED`],I=new i({defaultOptions:{queries:{staleTime:0,retry:(e,t)=>t instanceof _&&t.code===`UNREACHABLE`&&e<1e6,retryDelay:e=>Math.min(500*2**e,3e3),refetchOnWindowFocus:!1,networkMode:`always`},mutations:{networkMode:`always`,retry:!1}}}),L=c([]),R=(e,t)=>t.updatedAt>=e.updatedAt?{...e,...t,error:t.error&&{...e.error,...t.error}}:e;function He(e){let t=new Map(e.map(e=>[e.job.id,e.job]));I.setQueriesData({queryKey:[`jobs`]},e=>e?.pages.some(e=>e.nodes.some(e=>t.has(e.id)))?{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.map(e=>{let n=t.get(e.id);return n?R(e,n):e})}))}:e);for(let[e,n]of t)I.setQueryData([`job`,e],e=>e&&R(e,n)),B([`job`,e],150);B([`counts`],1500),B([`overview`],800),e.some(e=>F.includes(e.to))&&(B([`webhooks`],1500),B([`schedules`],1500)),L.set(e)}var z=new Map;function B(e,t){let n=e.join(`/`),r=z.get(n)??{timer:void 0,last:0};z.set(n,r),r.timer||=setTimeout(()=>{r.timer=void 0,r.last=Date.now(),z.size>500&&z.delete(n),I.invalidateQueries({queryKey:e})},Math.max(60,r.last+t-Date.now()))}function Ue(){for(let e of I.getQueryCache().findAll())We(e)}async function We(e){for(;e.state.fetchStatus===`fetching`;)await new Promise(e=>setTimeout(e,50));await I.invalidateQueries({queryKey:e.queryKey,exact:!0},{cancelRefetch:!1})}function Ge(e){let t=new Set(e);I.setQueriesData({queryKey:[`jobs`]},e=>e&&{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.filter(e=>!t.has(e.id))}))}),B([`counts`],0),B([`overview`],0)}var V=e(o(),1);async function Ke(e){if(navigator.clipboard&&window.isSecureContext)try{return await navigator.clipboard.writeText(e)}catch{}let t=document.createElement(`textarea`);t.value=e,t.setAttribute(`readonly`,``),t.className=`fixed top-0 opacity-0`,(document.querySelector(`dialog[open]`)??document.body).append(t);let n=document.activeElement;t.select(),document.execCommand(`copy`),t.remove(),n?.focus()}var H=c(Date.now()),U=0,W;function G(){return(0,V.useEffect)(()=>(U++===0&&(H.set(Date.now()),W=setInterval(()=>H.set(Date.now()),1e3)),()=>{--U===0&&clearInterval(W)}),[]),l(H)}var K=a(),q={plain:`border-edge bg-card text-ink hover:not-disabled:bg-raised`,solid:`border-solid bg-solid text-white hover:not-disabled:bg-solidhover`,danger:`border-failed bg-card text-failed hover:not-disabled:bg-raised`,bare:`border-transparent text-soft hover:not-disabled:bg-raised hover:not-disabled:text-ink`},J=`inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md border px-3 py-1 font-medium whitespace-nowrap disabled:cursor-not-allowed disabled:border-line disabled:bg-raised disabled:text-soft`;function Y({kind:e=`plain`,className:t=``,...n}){return(0,K.jsx)(`button`,{type:`button`,...n,className:`${J} ${q[e]} ${t}`})}function qe({className:e=``,...t}){return(0,K.jsx)(`a`,{...t,target:`_blank`,rel:`noreferrer`,className:`${J} ${q.bare} ${e}`})}function Je({why:e,children:t,onClick:n,...r}){return(0,K.jsxs)(Y,{...r,title:e??r.title,"aria-disabled":e?!0:void 0,onClick:e?void 0:n,className:`${r.className??``} ${e?`cursor-not-allowed! border-line! bg-raised! text-soft!`:``}`,children:[t,e&&(0,K.jsxs)(`span`,{className:`sr-only`,children:[`(`,e,`)`]})]})}function Ye({at:e}){let t=G(),{zone:n}=l(d);return e?(0,K.jsx)(`time`,{dateTime:e,title:u(e,n),className:`whitespace-nowrap`,children:ne(t-Date.parse(e))}):(0,K.jsx)(`span`,{className:`text-soft`,children:`–`})}function Xe({at:e}){let{zone:t}=l(d);return e?(0,K.jsx)(`time`,{dateTime:e,title:u(e,t===`utc`?`local`:`utc`),children:u(e,t)}):(0,K.jsx)(`span`,{className:`text-soft`,children:`–`})}var X=e=>te(e,l(d).zone);function Z({from:e,to:t}){let n=G();if(!e)return(0,K.jsx)(`span`,{className:`text-soft`,children:`–`});let r=(t?Date.parse(t):n)-Date.parse(e);return(0,K.jsx)(`span`,{className:`whitespace-nowrap tabular-nums`,children:ee(t?r:Math.floor(Math.max(r,0)/1e3)*1e3)})}function Ze({text:e,what:t,label:i}){let[a,o]=(0,V.useState)(!1);(0,V.useEffect)(()=>{if(!a)return;let e=setTimeout(()=>o(!1),1500);return()=>clearTimeout(e)},[a]);let s=a?n:r;return(0,K.jsxs)(Y,{kind:`bare`,className:`px-2!`,"aria-label":i?void 0:`Copy ${t}`,title:`Copy ${t}`,onClick:()=>Ke(e).then(()=>o(!0)),children:[(0,K.jsx)(s,{"aria-hidden":!0,className:`size-4`}),i,(0,K.jsx)(`span`,{role:`status`,className:`sr-only`,children:a?`Copied`:``})]})}function Qe({title:e,onClose:n,children:r,wide:i}){let a=(0,V.useRef)(null),o=(0,V.useId)();return(0,V.useEffect)(()=>{let e=document.activeElement,t=a.current;return t.showModal(),t.querySelector(`[data-focus]`)?.focus(),()=>{t.close(),e?.isConnected&&e.focus()}},[]),(0,K.jsx)(`dialog`,{ref:a,"aria-labelledby":o,onCancel:e=>{e.preventDefault(),n()},onMouseDown:e=>e.target===a.current&&n(),className:`max-h-[min(92dvh,860px)] w-[calc(100vw-1.5rem)] overflow-y-auto rounded-xl border border-line bg-card p-0 shadow-2xl ${i?`max-w-2xl`:`max-w-md`}`,children:(0,K.jsxs)(`div`,{className:`p-4 sm:p-5`,children:[(0,K.jsxs)(`header`,{className:`mb-3 flex items-start justify-between gap-3`,children:[(0,K.jsx)(`h2`,{id:o,className:`text-base font-semibold`,children:e}),(0,K.jsx)(Y,{kind:`bare`,className:`-mt-1 -mr-1 px-2!`,"aria-label":`Close`,onClick:n,children:(0,K.jsx)(t,{"aria-hidden":!0,className:`size-4`})})]}),r]})})}function Q({children:e}){return(0,K.jsxs)(`p`,{role:`alert`,className:`flex items-start gap-1.5 text-failed`,children:[(0,K.jsx)(s,{"aria-hidden":!0,className:`mt-0.5 size-4 shrink-0`}),(0,K.jsx)(`span`,{className:`min-w-0 wrap-anywhere`,children:e})]})}function $e({title:e,children:t}){return(0,K.jsxs)(`div`,{className:`flex flex-col items-center gap-3 px-4 py-12 text-center`,children:[(0,K.jsx)(`p`,{className:`text-base font-medium`,children:e}),(0,K.jsx)(`div`,{className:`flex max-w-full flex-col items-center gap-3 text-soft`,children:t})]})}function et({rows:e=6}){return(0,K.jsx)(`div`,{role:`status`,"aria-label":`Loading`,className:`space-y-2 p-3`,children:Array.from({length:e},(e,t)=>(0,K.jsx)(`div`,{className:`skeleton h-8`},t))})}function tt({error:e,dataFrom:t,retry:n}){let r=X(t||0);return e?(0,K.jsxs)(`div`,{className:`card mb-3 flex flex-wrap items-center justify-between gap-2 border-failed px-3 py-2`,children:[(0,K.jsxs)(Q,{children:[e.message,t>0&&` This is from ${r}.`]}),(0,K.jsx)(Y,{onClick:n,children:`Try again`})]}):null}var $=c([]),nt=0;function rt(e,t=!1){let n=++nt;$.set([...$.get().slice(-2),{id:n,text:e,bad:t}]),setTimeout(()=>$.set($.get().filter(e=>e.id!==n)),t?8e3:3500)}function it(){let e=l($);return(0,K.jsx)(`div`,{role:`status`,className:`pointer-events-none fixed inset-x-3 bottom-3 z-50 flex flex-col items-center gap-2`,children:e.map(e=>(0,K.jsx)(`div`,{className:`card max-w-full px-3 py-2 shadow-lg ${e.bad?`border-failed text-failed`:``}`,children:(0,K.jsx)(`span`,{className:`wrap-anywhere`,children:e.text})},e.id))})}export{Ee as $,E as A,ke as B,Ue as C,p as Ct,M as D,le as E,Le as F,me as G,pe as H,Oe as I,he as J,Ve as K,je as L,Se as M,j as N,fe as O,xe as P,Be as Q,Me as R,Ge as S,h as St,P as T,ie as Tt,ue as U,ce as V,Ae as W,ve as X,Te as Y,ze as Z,F as _,b as _t,Ze as a,N as at,L as b,se as bt,$e as c,Re as ct,Q as d,Fe as dt,ye as et,et as f,Ce as ft,G as g,ae as gt,X as h,v as ht,qe as i,O as it,D as j,Pe as k,Xe as l,ge as lt,rt as m,_ as mt,Ye as n,be as nt,Qe as o,T as ot,tt as p,_e as pt,we as q,Y as r,Ie as rt,Z as s,w as st,Je as t,A as tt,it as u,De as ut,He as v,g as vt,k as w,re as wt,B as x,m as xt,I as y,oe as yt,Ne as z};