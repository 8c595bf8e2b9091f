import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,S as n,T as r,at as i,it as a,q as o,w as ee}from"./libraries-Ck3raln1.js";var s=e(i(),1);function c(e){let t=new Set;return{get:()=>e,set(n){e=n;for(let e of t)e()},subscribe(e){return t.add(e),()=>t.delete(e)}}}var l=e=>(0,s.useSyncExternalStore)(e.subscribe,e.get),u=`signalbox.key`,d=c({state:`open`,wasRefused:!1,readOnly:!1}),f=()=>sessionStorage.getItem(u);function te(e){sessionStorage.setItem(u,e),d.set({state:`open`,wasRefused:!1,readOnly:!1})}function ne(){sessionStorage.removeItem(u),d.set({state:`asking`,wasRefused:!1,readOnly:!1})}function p(e){if(e!==f())return;sessionStorage.removeItem(u);let{state:t,wasRefused:n}=d.get();d.set({state:`asking`,wasRefused:!!e||t===`asking`&&n,readOnly:!1})}var re=new URL(document.baseURI).pathname,m=new URL(`graphql`,document.baseURI).href,h=class extends Error{code;field;constructor(e,t,n){super(e),this.code=t,this.field=n}},g=class{text;token=`raw:${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;constructor(e){this.text=e}toJSON(){return this.token}};function _(e,t){let n=[],r=JSON.stringify({query:e.replace(/\s+/g,` `),variables:t},function(e,t){let r=this[e];return r instanceof g&&n.push(r),t});return n.reduce((e,t)=>e.replace(`"${t.token}"`,()=>t.text),r)}async function ie(e,t={},n){let r=f(),i;try{i=await fetch(m,{method:`POST`,headers:{"content-type":`application/json`,accept:`application/json`,...r?{authorization:`Bearer ${r}`}:{}},body:_(e,t),signal:n})}catch(e){throw n?.aborted?e:new h(`The server cannot be reached.`,`UNREACHABLE`)}let a;try{a=await i.json()}catch{throw new h(`The server answered ${i.status} without JSON.`,`UNREACHABLE`)}let[o]=a.errors??[];if(o){let e=o.extensions?.code??`UNKNOWN`;throw e===`UNAUTHENTICATED`&&p(r),new h(o.message,e,o.extensions?.field)}return a.data}var v=`
  id taskName status priority tags attempt maxAttempts progress payloadPreview
  createdAt updatedAt runAt startedAt finishedAt error { code message }`,y=`
  id event status url nextTryAt createdAt job { id taskName } tries { at durationMs responseStatus error }`,ae=`query DashboardCursor { eventCursor }`,oe=`subscription DashboardChanges($after: String) {
  jobStatusChanged(after: $after) { cursor from to at job { ${v} } }
}`,se=`query DashboardJobs(
  $status: [JobStatus!] $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime $after: String $first: Int
) {
  jobs(
    status: $status priority: $priority taskName: $taskName tag: $tag search: $search
    createdAfter: $createdAfter createdBefore: $createdBefore after: $after first: $first
  ) { nodes { ${v} } pageInfo { hasNextPage endCursor } }
}`,ce=`priority: $priority taskName: $taskName tag: $tag search: $search createdAfter: $createdAfter createdBefore: $createdBefore first: 1`,b=(e,t)=>`${e}: jobs(${t}${ce}) { totalCount(atMost: 10000) }`,le=`query DashboardCounts(
  $priority: [JobPriority!] $taskName: String $tag: String $search: String
  $createdAfter: DateTime $createdBefore: DateTime
) {
  ${b(`ALL`,``)}
  ${b(`PENDING`,`status: [PENDING] `)}
  ${b(`SCHEDULED`,`status: [SCHEDULED] `)}
  ${b(`QUEUED`,`status: [QUEUED] `)}
  ${b(`RUNNING`,`status: [RUNNING] `)}
  ${b(`COMPLETED`,`status: [COMPLETED] `)}
  ${b(`FAILED`,`status: [FAILED] `)}
  ${b(`CANCELLED`,`status: [CANCELLED] `)}
}`,ue=`query DashboardJob($id: ID!) {
  job(id: $id) {
    ${v}
    payloadText resultText timeoutSeconds idempotencyKey waitingFor
    error { code message traceback }
    schedule { id name } copyOf { id }
    attempts { number outcome worker startedAt finishedAt error { code message traceback } }
    events { cursor from to attempt at }
    deliveries { ${y} }
  }
}`,de=`query DashboardLogs($id: ID!, $after: String) {
  job(id: $id) {
    progress
    logs(first: 100, after: $after) { nodes { at attempt level message } pageInfo { hasNextPage endCursor } }
  }
}`,fe=`query DashboardOverview {
  version
  jobStats { total byStatus { status count } completedLastMinute failedLastMinute oldestQueuedSeconds }
  workers { id host pid slots running startedAt heartbeatAt }
  schedules { id name taskName cron timezone paused nextRunAt }
  tasks { name paused }
  failures: jobs(status: [FAILED], orderBy: { field: UPDATED_AT, direction: DESC }, first: 6) { nodes { ${v} } }
}`,pe=`query DashboardThroughput($period: ThroughputPeriod!) {
  throughput(period: $period) { stepSeconds points { at created completed failed cancelled } }
}`,me=`query DashboardTasks {
  tasks { name description payloadSchema maxAttempts timeoutSeconds paused }
}`,he=`query DashboardSchedules {
  schedules {
    id name taskName priority cron timezone overlap misfire paused nextRunAt lastRunAt nextRuns(first: 5) payloadText
    lastFirings(first: 30) { at job { id status } }
  }
}`,ge=`mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) { created job { ${v} } }
}`,_e=`mutation CreateJobs($inputs: [CreateJobInput!]!) {
  createJobs(inputs: $inputs) { jobs { id } }
}`,ve=`mutation RunJob($id: ID!) { runJob(id: $id) { job { ${v} } } }`,ye=`mutation CancelJob($id: ID!) { cancelJob(id: $id) { job { ${v} } } }`,be=`mutation RetryJob($id: ID!) { retryJob(id: $id) { job { ${v} } } }`,xe=`mutation DeleteJob($id: ID!) { deleteJob(id: $id) { id } }`,Se=`mutation CopyJob($id: ID!, $payload: JSON, $run: Boolean!) {
  copyJob(id: $id, payload: $payload, run: $run) { job { id } }
}`,Ce=`mutation RunJobs($filter: JobFilter!, $dryRun: Boolean!) {
  runJobs(filter: $filter, dryRun: $dryRun) { count }
}`,x=`mutation CancelJobs($filter: JobFilter!, $dryRun: Boolean!) {
  cancelJobs(filter: $filter, dryRun: $dryRun) { count }
}`,S=`mutation RetryJobs($filter: JobFilter!, $dryRun: Boolean!) {
  retryJobs(filter: $filter, dryRun: $dryRun) { count }
}`,C=`mutation DeleteJobs($filter: JobFilter!, $dryRun: Boolean!) {
  deleteJobs(filter: $filter, dryRun: $dryRun) { count }
}`,w=`mutation CreateSchedule($input: CreateScheduleInput!) {
  createSchedule(input: $input) { schedule { id } }
}`,T=`mutation UpdateSchedule($input: UpdateScheduleInput!) {
  updateSchedule(input: $input) { schedule { id } }
}`,E=`query DashboardNextRuns($cron: String!, $timezone: String!) {
  nextRuns(cron: $cron, timezone: $timezone, first: 5)
}`,D=`mutation PauseSchedule($id: ID!) { pauseSchedule(id: $id) { schedule { id } } }`,O=`mutation ResumeSchedule($id: ID!) { resumeSchedule(id: $id) { schedule { id } } }`,k=`mutation TriggerSchedule($id: ID!) { triggerSchedule(id: $id) { job { id } } }`,A=`mutation DeleteSchedule($id: ID!) { deleteSchedule(id: $id) { id } }`,we=`query DashboardEndpoints {
  webhookEndpoints {
    id url events taskNames enabled disabledReason createdAt circuit { failuresInARow failingSince openUntil }
  }
}`,Te=`query DashboardLastDeliveries($id: ID!) {
  webhookDeliveries(filter: { endpointId: $id }, first: 20) {
    nodes { id status createdAt tries { at durationMs responseStatus error } }
  }
}`,Ee=`query DashboardDeliveries($filter: WebhookDeliveryFilter, $first: Int, $after: String) {
  webhookDeliveries(filter: $filter, first: $first, after: $after) {
    nodes { ${y} } pageInfo { hasNextPage endCursor }
  }
}`,De=`query DashboardDeliveryCounts(
  $ALL: WebhookDeliveryFilter $PENDING: WebhookDeliveryFilter $DELIVERED: WebhookDeliveryFilter
  $FAILED: WebhookDeliveryFilter
) {
  ALL: webhookDeliveries(filter: $ALL, first: 1) { totalCount(atMost: 10000) }
  PENDING: webhookDeliveries(filter: $PENDING, first: 1) { totalCount(atMost: 10000) }
  DELIVERED: webhookDeliveries(filter: $DELIVERED, first: 1) { totalCount(atMost: 10000) }
  FAILED: webhookDeliveries(filter: $FAILED, first: 1) { totalCount(atMost: 10000) }
}`,Oe=`query DashboardDelivery($id: ID!) {
  webhookDelivery(id: $id) { ${y} body tries { responseBody } }
}`,ke=`mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url } }
}`,Ae=`mutation UpdateEndpoint($input: UpdateWebhookEndpointInput!) {
  updateWebhookEndpoint(input: $input) { endpoint { id } }
}`,je=`mutation RotateSecret($id: ID!) {
  rotateWebhookSecret(id: $id) { secret endpoint { id url } }
}`,Me=`mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }`,Ne=`mutation TestEndpoint($id: ID!) {
  testWebhookEndpoint(id: $id) { body outcome { at durationMs responseStatus error responseBody } }
}`,Pe=`mutation Redeliver($id: ID!) { redeliverWebhook(id: $id) { delivery { id status } } }`,Fe=`mutation RedeliverAll($filter: WebhookDeliveryFilter!, $dryRun: Boolean!) {
  redeliverWebhooks(filter: $filter, dryRun: $dryRun) { count }
}`,Ie=`mutation MayWrite { cancelJobs(filter: { ids: ["1"] }, dryRun: true) { count } }`,j=[`COMPLETED`,`FAILED`,`CANCELLED`],M=new o({defaultOptions:{queries:{staleTime:0,retry:(e,t)=>t instanceof h&&t.code===`UNREACHABLE`&&e<1e6,retryDelay:e=>Math.min(500*2**e,3e3),refetchOnWindowFocus:!1,networkMode:`always`},mutations:{networkMode:`always`,retry:!1}}}),N=c([]),P=(e,t)=>t.updatedAt>=e.updatedAt?{...e,...t,error:t.error&&{...e.error,...t.error}}:e;function Le(e){let t=new Map(e.map(e=>[e.job.id,e.job]));M.setQueriesData({queryKey:[`jobs`]},e=>e?.pages.some(e=>e.nodes.some(e=>t.has(e.id)))?{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.map(e=>{let n=t.get(e.id);return n?P(e,n):e})}))}:e);for(let[e,n]of t)M.setQueryData([`job`,e],e=>e&&P(e,n)),I([`job`,e],150);I([`counts`],1500),I([`overview`],800),e.some(e=>j.includes(e.to))&&(I([`webhooks`],1500),I([`schedules`],1500)),N.set(e)}var F=new Map;function I(e,t){let n=e.join(`/`),r=F.get(n)??{timer:void 0,last:0};F.set(n,r),r.timer||=setTimeout(()=>{r.timer=void 0,r.last=Date.now(),F.size>500&&F.delete(n),M.invalidateQueries({queryKey:e})},Math.max(60,r.last+t-Date.now()))}function Re(){for(let e of M.getQueryCache().findAll())ze(e)}async function ze(e){for(;e.state.fetchStatus===`fetching`;)await new Promise(e=>setTimeout(e,50));await M.invalidateQueries({queryKey:e.queryKey,exact:!0},{cancelRefetch:!1})}function Be(e){let t=new Set(e);M.setQueriesData({queryKey:[`jobs`]},e=>e&&{...e,pages:e.pages.map(e=>({...e,nodes:e.nodes.filter(e=>!t.has(e.id))}))}),I([`counts`],0),I([`overview`],0)}var L=`signalbox.preferences`,R={theme:`system`,zone:`local`,keys:!0};function Ve(){try{return{...R,...JSON.parse(localStorage.getItem(L)??`{}`)}}catch{return R}}var z=c(Ve());function B(){let{theme:e}=z.get();e===`system`?delete document.documentElement.dataset.theme:document.documentElement.dataset.theme=e}B(),z.subscribe(B);function He(e){z.set({...z.get(),...e});try{localStorage.setItem(L,JSON.stringify(z.get()))}catch{}}function V(e){if(e<0&&(e=0),e<1e3)return`${Math.round(e)} ms`;let t=e/1e3;if(t<60)return`${t<10?t.toFixed(1):Math.floor(t)} s`;let n=Math.floor(t/60);if(n<60)return`${n} min ${Math.floor(t%60)} s`;let r=Math.floor(n/60);return r<24?`${r} h ${n%60} min`:`${Math.floor(r/24)} d ${r%24} h`}function Ue(e){let t=e<0,n=Math.floor(Math.abs(e)/1e3),r=n<60?`${n} s`:n<3600?`${Math.floor(n/60)} min`:n<86400?`${Math.floor(n/3600)} h`:`${Math.floor(n/86400)} d`;return n<2&&!t?`now`:t?`in ${r}`:`${r} ago`}function H(e,t,n=!0){let r=new Intl.DateTimeFormat(`en-GB`,{...n?{year:`numeric`,month:`2-digit`,day:`2-digit`}:{},hour:`2-digit`,minute:`2-digit`,second:`2-digit`,fractionalSecondDigits:n?3:void 0,hourCycle:`h23`,timeZone:t===`utc`?`UTC`:void 0,timeZoneName:n?`short`:void 0}).formatToParts(new Date(e)),i=e=>r.find(t=>t.type===e)?.value??``,a=`${i(`hour`)}:${i(`minute`)}:${i(`second`)}`;return n?`${i(`year`)}-${i(`month`)}-${i(`day`)} ${a}.${i(`fractionalSecond`)} ${i(`timeZoneName`)}`:a}var U=(e,t)=>H(e,t,!1),We=e=>e>=1e4?`10k+`:e.toLocaleString(`en`);function Ge(e){let t=new TextEncoder().encode(e).length;return t<1024?`${t} B`:t<1048576?`${(t/1024).toFixed(1)} kB`:`${(t/1024/1024).toFixed(1)} MB`}var Ke=e=>e.charAt(0)+e.slice(1).toLowerCase().replaceAll(`_`,` `),qe=(e,t,n=`${t}s`)=>`${e.toLocaleString(`en`)} ${e===1?t:n}`;async function Je(e){if(navigator.clipboard&&window.isSecureContext)try{return await navigator.clipboard.writeText(e)}catch{}let t=document.createElement(`textarea`);t.value=e,t.setAttribute(`readonly`,``),t.className=`fixed top-0 opacity-0`,(document.querySelector(`dialog[open]`)??document.body).append(t);let n=document.activeElement;t.select(),document.execCommand(`copy`),t.remove(),n?.focus()}var W=c(Date.now()),G=0,K;function q(){return(0,s.useEffect)(()=>(G++===0&&(W.set(Date.now()),K=setInterval(()=>W.set(Date.now()),1e3)),()=>{--G===0&&clearInterval(K)}),[]),l(W)}var J=a(),Ye={plain:`border-edge bg-card text-ink hover:not-disabled:bg-raised`,solid:`border-solid bg-solid text-white hover:not-disabled:bg-solidhover`,danger:`border-failed bg-card text-failed hover:not-disabled:bg-raised`,bare:`border-transparent text-soft hover:not-disabled:bg-raised hover:not-disabled:text-ink`};function Y({kind:e=`plain`,className:t=``,...n}){return(0,J.jsx)(`button`,{type:`button`,...n,className:`inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md border px-3 py-1 font-medium whitespace-nowrap disabled:cursor-not-allowed disabled:border-line disabled:bg-raised disabled:text-soft ${Ye[e]} ${t}`})}function Xe({why:e,children:t,onClick:n,...r}){return(0,J.jsxs)(Y,{...r,title:e??r.title,"aria-disabled":e?!0:void 0,onClick:e?void 0:n,className:`${r.className??``} ${e?`cursor-not-allowed! border-line! bg-raised! text-soft!`:``}`,children:[t,e&&(0,J.jsxs)(`span`,{className:`sr-only`,children:[`(`,e,`)`]})]})}function Ze({at:e}){let t=q(),{zone:n}=l(z);return e?(0,J.jsx)(`time`,{dateTime:e,title:H(e,n),className:`whitespace-nowrap`,children:Ue(t-Date.parse(e))}):(0,J.jsx)(`span`,{className:`text-soft`,children:`–`})}function X({at:e}){let{zone:t}=l(z);return e?(0,J.jsx)(`time`,{dateTime:e,title:H(e,t===`utc`?`local`:`utc`),children:H(e,t)}):(0,J.jsx)(`span`,{className:`text-soft`,children:`–`})}var Z=e=>U(e,l(z).zone);function Qe({from:e,to:t}){let n=q();if(!e)return(0,J.jsx)(`span`,{className:`text-soft`,children:`–`});let r=(t?Date.parse(t):n)-Date.parse(e);return(0,J.jsx)(`span`,{className:`whitespace-nowrap tabular-nums`,children:V(t?r:Math.floor(Math.max(r,0)/1e3)*1e3)})}function $e({text:e,what:t,label:n}){let[i,a]=(0,s.useState)(!1);(0,s.useEffect)(()=>{if(!i)return;let e=setTimeout(()=>a(!1),1500);return()=>clearTimeout(e)},[i]);let o=i?r:ee;return(0,J.jsxs)(Y,{kind:`bare`,className:`px-2!`,"aria-label":n?void 0:`Copy ${t}`,title:`Copy ${t}`,onClick:()=>Je(e).then(()=>a(!0)),children:[(0,J.jsx)(o,{"aria-hidden":!0,className:`size-4`}),n,(0,J.jsx)(`span`,{role:`status`,className:`sr-only`,children:i?`Copied`:``})]})}function et({title:e,onClose:t,children:r,wide:i}){let a=(0,s.useRef)(null),o=(0,s.useId)();return(0,s.useEffect)(()=>{let e=document.activeElement,t=a.current;return t.showModal(),t.querySelector(`[data-focus]`)?.focus(),()=>{t.close(),e?.isConnected&&e.focus()}},[]),(0,J.jsx)(`dialog`,{ref:a,"aria-labelledby":o,onCancel:e=>{e.preventDefault(),t()},onMouseDown:e=>e.target===a.current&&t(),className:`max-h-[min(92dvh,860px)] w-[calc(100vw-1.5rem)] overflow-y-auto rounded-xl border border-line bg-card p-0 shadow-2xl ${i?`max-w-2xl`:`max-w-md`}`,children:(0,J.jsxs)(`div`,{className:`p-4 sm:p-5`,children:[(0,J.jsxs)(`header`,{className:`mb-3 flex items-start justify-between gap-3`,children:[(0,J.jsx)(`h2`,{id:o,className:`text-base font-semibold`,children:e}),(0,J.jsx)(Y,{kind:`bare`,className:`-mt-1 -mr-1 px-2!`,"aria-label":`Close`,onClick:t,children:(0,J.jsx)(n,{"aria-hidden":!0,className:`size-4`})})]}),r]})})}function Q({children:e}){return(0,J.jsxs)(`p`,{role:`alert`,className:`flex items-start gap-1.5 text-failed`,children:[(0,J.jsx)(t,{"aria-hidden":!0,className:`mt-0.5 size-4 shrink-0`}),(0,J.jsx)(`span`,{className:`min-w-0 wrap-anywhere`,children:e})]})}function tt({title:e,children:t}){return(0,J.jsxs)(`div`,{className:`flex flex-col items-center gap-3 px-4 py-12 text-center`,children:[(0,J.jsx)(`p`,{className:`text-base font-medium`,children:e}),(0,J.jsx)(`div`,{className:`flex max-w-full flex-col items-center gap-3 text-soft`,children:t})]})}function nt({rows:e=6}){return(0,J.jsx)(`div`,{role:`status`,"aria-label":`Loading`,className:`space-y-2 p-3`,children:Array.from({length:e},(e,t)=>(0,J.jsx)(`div`,{className:`skeleton h-8`},t))})}function rt({error:e,dataFrom:t,retry:n}){let r=Z(t||0);return e?(0,J.jsxs)(`div`,{className:`card mb-3 flex flex-wrap items-center justify-between gap-2 border-failed px-3 py-2`,children:[(0,J.jsxs)(Q,{children:[e.message,t>0&&` This is from ${r}.`]}),(0,J.jsx)(Y,{onClick:n,children:`Try again`})]}):null}var $=c([]),it=0;function at(e,t=!1){let n=++it;$.set([...$.get().slice(-2),{id:n,text:e,bad:t}]),setTimeout(()=>$.set($.get().filter(e=>e.id!==n)),t?8e3:3500)}function ot(){let e=l($);return(0,J.jsx)(`div`,{role:`status`,className:`pointer-events-none fixed inset-x-3 bottom-3 z-50 flex flex-col items-center gap-2`,children:e.map(e=>(0,J.jsx)(`div`,{className:`card max-w-full px-3 py-2 shadow-lg ${e.bad?`border-failed text-failed`:``}`,children:(0,J.jsx)(`span`,{className:`wrap-anywhere`,children:e.text})},e.id))})}export{Ie as $,Re as A,l as At,xe as B,z as C,ie as Ct,N as D,te as Dt,M as E,d as Et,le as F,De as G,Me as H,ke as I,ae as J,Oe as K,ge as L,x as M,oe as N,I as O,ne as Ot,Se as P,de as Q,_e as R,He as S,m as St,Le as T,p as Tt,A as U,C as V,Ee as W,se as X,ue as Y,Te as Z,We as _,T as _t,et as a,O as at,qe as b,re as bt,X as c,je as ct,nt as d,he as dt,E as et,rt as f,me as ft,Ge as g,Ae as gt,q as h,k as ht,$e as i,Fe as it,ye as j,Be as k,c as kt,ot as l,ve as lt,Z as m,pe as mt,Ze as n,D as nt,Qe as o,be as ot,at as p,Ne as pt,we as q,Y as r,Pe as rt,tt as s,S as st,Xe as t,fe as tt,Q as u,Ce as ut,U as v,h as vt,j as w,f as wt,Ke as x,_ as xt,V as y,g as yt,w as z};