// What somebody should be told about, each with what to do: a section of docs/runbook.md. The
// queries run in the scope of Application Insights, so they name its tables (customMetrics, not
// AppMetrics). tests/infra resolves them with Microsoft's parser and compares every name in them
// with the code.
//
// Severity 3 writes to nobody: it shows in the portal. One producer's typo must not page anybody.
//
// A rule without a measure fires when its query returns a row. That is how silence is noticed:
// `summarize` without `by` returns a row even if there is no data at all.

param location string
param tags object
param applicationInsightsId string

@description('Who gets an e-mail. Empty: nobody.')
param email string

@description('An action group that exists already, by its id. Empty: none.')
param actionGroupId string

@description('Where docs/runbook.md is read.')
param runbookUrl string

@description('How old the oldest pending request may get.')
param oldestPendingMinutes int

@description('How many attempts may be put off in a quarter of an hour.')
param deferralsBound int

@description('How long nothing is heard of a tick before that is silence.')
param silence string

var groups = concat(empty(email) ? [] : [group.id], empty(actionGroupId) ? [] : [actionGroupId])

var rules = [
  {
    name: 'poison-queue-does-not-empty'
    title: 'poison queue does not empty'
    severity: 2
    meaning: 'Messages that the Functions host gave up on have been in the poison queue for half an hour: ticks do not get them into the ledger.'
    window: 'PT30M'
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.poison.depth"
| summarize looks = count(), fewest = min(valueSum)
| where looks >= 3 and fewest > 0
'''
  }
  {
    name: 'host-gave-messages-up'
    title: 'host gave messages up'
    severity: 2
    meaning: 'The Functions host gave up on messages after five failed deliveries, and ticks took them into the ledger, or tried to.'
    window: 'PT15M'
    measure: ''
    threshold: 0
    query: '''
traces
| where message in ("adoption.adopted", "adoption.failed", "adoption.bug")
| summarize messages = dcount(tostring(customDimensions.messageId)) by message
'''
  }
  {
    name: 'rejected-originals-kept'
    title: 'rejected originals kept'
    severity: 3
    meaning: 'Messages that were no valid request lie in the rejected queue, and stay there until somebody drops them or puts them back.'
    window: 'PT15M'
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.rejected.depth"
| summarize arg_max(timestamp, valueSum)
| where valueSum > 0
'''
  }
  {
    name: 'oldest-pending-too-old'
    title: 'oldest pending too old'
    severity: 2
    meaning: 'A request has been pending for longer than ${oldestPendingMinutes} minutes. At its deadline it expires.'
    window: 'PT15M'
    measure: 'minutes'
    threshold: oldestPendingMinutes
    query: '''
customMetrics
| where name == "offer_cancellation.pending.oldest_age"
| summarize arg_max(timestamp, valueSum)
| where isnotnull(valueSum)
| project timestamp, minutes = valueSum / 60
'''
  }
  {
    name: 'no-tick'
    title: 'no tick'
    severity: 1
    meaning: 'Nothing was heard of the timer, or of the app at all: accepted requests are not polled, deferred ones not tried again.'
    window: silence
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.tick.duration"
| summarize ticks = count()
| where ticks == 0
'''
  }
  {
    name: 'api-refuses-the-identity'
    title: 'API refuses the identity'
    severity: 1
    meaning: 'The API answered 401 (it does not take the token) or 403 (the identity may not use the publisher).'
    window: 'PT15M'
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.api.duration"
| extend operation = tostring(customDimensions.operation), answer = tostring(customDimensions.answer)
| where answer in ("401", "403")
| summarize calls = sum(valueCount) by operation, answer
'''
  }
  {
    name: 'requests-expired'
    title: 'requests expired'
    severity: 1
    meaning: 'The deadline of at least one request passed before its end was known: the offer may have been published.'
    window: 'PT15M'
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.requests"
| extend status = tostring(customDimensions.status), code = tostring(customDimensions.code)
| where status == "expired"
| summarize requests = sum(valueSum) by code
'''
  }
  {
    name: 'bug-ended-requests'
    title: 'bug ended requests'
    severity: 1
    meaning: 'At least one request ended failed, InternalError: a bug came back at every delivery, or its workers kept dying.'
    window: 'PT15M'
    measure: ''
    threshold: 0
    query: '''
customMetrics
| where name == "offer_cancellation.requests"
| extend status = tostring(customDimensions.status), code = tostring(customDimensions.code)
| where code == "InternalError"
| summarize requests = sum(valueSum) by status
'''
  }
  {
    name: 'deferrals-rising'
    title: 'deferrals rising'
    severity: 2
    meaning: 'More than ${deferralsBound} attempts were put off in a quarter of an hour, over three times what is usual in a day.'
    window: 'P1D'
    measure: 'rising'
    threshold: deferralsBound
    query: '''
customMetrics
| where name == "offer_cancellation.deferrals"
| summarize recent = sumif(valueSum, timestamp > ago(15m)), earlier = sumif(valueSum, timestamp <= ago(15m))
| extend usual = earlier / 95
| project rising = iff(recent > 3 * usual, recent, 0.0)
'''
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'offer-cancellation'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'offercancel'
    enabled: true
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: rule.name
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Offer cancellation: ${rule.title}'
    description: '${rule.meaning} What to do: ${runbookUrl}#${rule.name}'
    severity: rule.severity
    enabled: true
    scopes: [
      applicationInsightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: empty(rule.measure) ? 'Count' : 'Maximum'
          metricMeasureColumn: empty(rule.measure) ? null : rule.measure
          operator: 'GreaterThan'
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true // resolved as soon as it no longer holds
    skipQueryValidation: true // a new Application Insights may not answer yet; the tests validate
    actions: {
      actionGroups: rule.severity < 3 ? groups : []
      customProperties: {
        runbook: '${runbookUrl}#${rule.name}'
      }
    }
  }
}]
