// What an engineer sees in the portal, and what wakes one: a workbook, alert rules with an action group, and saved queries.
// Every query is a file in queries/, which tests run on lines that the app wrote. The workspace is in this resource group.

@description('Region of the resources.')
param location string

@description('Tags of the resources.')
param tags object

@description('Resource id of the Application Insights that the app logs to.')
param applicationInsightsId string

@description('Resource id of its Log Analytics workspace.')
param logAnalyticsWorkspaceId string

@description('E-mail addresses that get the alerts. Without any, alerts are seen in the portal only.')
param alertEmails array

// backup.json is the one source of names: each plan has a rule of its own, so that none hides another with a similar name.
var configuration = any(loadJsonContent('../../backup.json'))

// For how long a plan without rpoHours may be without a good run, until the app says what its schedule promises.
var usualHours = 26

var queries = {
  'catalog-unreachable': loadTextContent('queries/catalog-unreachable.kql')
  'copy-durations': loadTextContent('queries/copy-durations.kql')
  'copy-late': loadTextContent('queries/copy-late.kql')
  cost: loadTextContent('queries/cost.kql')
  expiring: loadTextContent('queries/expiring.kql')
  'failures-by-code': loadTextContent('queries/failures-by-code.kql')
  'id-burned': loadTextContent('queries/id-burned.kql')
  'model-states': loadTextContent('queries/model-states.kql')
  'not-covered': loadTextContent('queries/not-covered.kql')
  promises: loadTextContent('queries/promises.kql')
  'resource-unreachable': loadTextContent('queries/resource-unreachable.kql')
  resources: loadTextContent('queries/resources.kql')
  'room-short': loadTextContent('queries/room-short.kql')
  'run-durations': loadTextContent('queries/run-durations.kql')
  'run-failed': loadTextContent('queries/run-failed.kql')
  'run-history': loadTextContent('queries/run-history.kql')
  'run-partially-failed': loadTextContent('queries/run-partially-failed.kql')
  throttling: loadTextContent('queries/throttling.kql')
}
var noGoodRun = loadTextContent('queries/no-good-run.kql')

// Severity: 0 critical, 1 error, 2 warning, 3 information. A rule looks back over the window, and an alert ends when the query returns
// no row any more. Two days is the longest window that a rule can have.
var rules = [
  { query: 'run-failed', title: 'The last run of a plan failed', severity: 1, window: 'P2D', frequency: 'PT15M' }
  { query: 'run-partially-failed', title: 'The last run of a plan failed in part', severity: 2, window: 'P2D', frequency: 'PT15M' }
  { query: 'copy-late', title: 'A copy was not done at its deadline', severity: 2, window: 'P2D', frequency: 'PT15M' }
  { query: 'id-burned', title: 'An id of a target was given up, or may be blocked', severity: 3, window: 'P1D', frequency: 'PT1H' }
  { query: 'expiring', title: 'A model and its copies expire soon', severity: 3, window: 'P2D', frequency: 'P1D' }
  { query: 'room-short', title: 'A resource holds more than 90 % of its models', severity: 2, window: 'PT6H', frequency: 'PT1H' }
  { query: 'catalog-unreachable', title: 'The catalog does not answer, or the configuration cannot be used', severity: 0, window: 'PT30M', frequency: 'PT5M' }
  { query: 'resource-unreachable', title: 'A resource does not work for the app', severity: 1, window: 'PT30M', frequency: 'PT5M' }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'backup-alerts'
  location: 'Global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'frbackup'
    emailReceivers: [for (address, index) in alertEmails: {
      name: 'email-${index}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

resource planRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for plan in items(configuration.?plans ?? {}): {
  name: 'backup-no-good-run-${plan.key}'
  location: location
  tags: tags
  properties: {
    displayName: 'Backup: plan ${plan.key} has had no good run for longer than it promises'
    description: 'Or the app is gone. What to do: docs/monitor.md'
    severity: 0
    enabled: true
    scopes: [applicationInsightsId]
    evaluationFrequency: 'PT1H'
    windowSize: 'P2D'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: replace(replace(noGoodRun, '__PLAN__', plan.key), '__HOURS__', string(plan.value.?rpoHours ?? usualHours))
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [actionGroup.id]
    }
  }
}]

resource alertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'backup-${rule.query}'
  location: location
  tags: tags
  properties: {
    displayName: 'Backup: ${rule.title}'
    description: 'What to do: docs/monitor.md'
    severity: rule.severity
    enabled: true
    scopes: [applicationInsightsId]
    evaluationFrequency: rule.frequency
    windowSize: rule.window
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: queries[rule.query]
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [actionGroup.id]
    }
  }
}]

// In workbook.json an item names its query; here it gets the text.
var workbook = loadJsonContent('workbook.json')
var workbookItems = [for item in workbook.items: contains(item.content, 'query') ? union(item, { content: { query: queries[item.content.query] } }) : item]

resource backupWorkbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'backup-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Form Recognizer model backup'
    category: 'workbook'
    sourceId: applicationInsightsId
    serializedData: string(union(workbook, { items: workbookItems, fallbackResourceIds: [applicationInsightsId] }))
  }
}

// In the workspace the same lines are in AppTraces.
var workspacePrefix = 'let traces = AppTraces | project timestamp = TimeGenerated, message = Message, itemCount = ItemCount;\n'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: last(split(logAnalyticsWorkspaceId, '/'))
}

resource savedQueries 'Microsoft.OperationalInsights/workspaces/savedSearches@2020-08-01' = [for query in items(queries): {
  parent: workspace
  name: 'backup-${query.key}'
  // With etag a later deployment overwrites the query; without, it is refused with 409 Conflict. any(): Bicep's types lack it there.
  properties: any({
    etag: '*'
    category: 'Form Recognizer model backup'
    displayName: 'Backup: ${replace(query.key, '-', ' ')}'
    query: '${workspacePrefix}${query.value}'
    version: 2
  })
}]

