// The Flex Consumption plan and the function app, with all its settings.
param name string
param location string
param tags object
param identityId string
param identityClientId string
param hubAccountName string
param packageContainerUrl string
param catalogTableEndpoint string
param vaultUri string

@description('Names of the settings that hold a secret, from backup.json.')
param secretSettings array
param applicationInsightsConnectionString string

@description('The subnet that the app goes out through; empty: the public network.')
param subnetId string

@description('Connection of the Durable Task Scheduler; empty: the task hub is in storage.')
param schedulerConnection string
param taskHubName string
param backupSchedule string
param historyDays int

// docs/configuration.md explains each. FUNCTIONS_WORKER_RUNTIME and FUNCTIONS_EXTENSION_VERSION are refused on this plan: see runtime below.
var fixedSettings = [
  { name: 'AzureWebJobsStorage__accountName', value: hubAccountName }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsightsConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
  { name: 'BACKUP_CONFIG', value: 'backup.json' }
  { name: 'CATALOG', value: 'table:${catalogTableEndpoint}' }
  { name: 'CATALOG_CLIENT_ID', value: identityClientId }
  { name: 'CATALOG_TABLE_PREFIX', value: 'formsbackup' }
  { name: 'TaskHubName', value: taskHubName }
  { name: 'BACKUP_SCHEDULE', value: backupSchedule }
  { name: 'PROBE_SCHEDULE', value: '0 */5 * * * *' }
  { name: 'PURGE_SCHEDULE', value: '0 30 3 * * *' }
  { name: 'HISTORY_DAYS', value: string(historyDays) }
  { name: 'PYTHON_THREADPOOL_THREAD_COUNT', value: '16' }
  { name: 'SEALING_KEYS', value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/sealing-keys/)' }
]
var schedulerSettings = empty(schedulerConnection) ? [] : [{ name: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING', value: schedulerConnection }]
var secretReferences = [
  for setting in secretSettings: {
    name: setting
    value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${toLower(replace(setting, '_', '-'))}/)'
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        maximumInstanceCount: 40 // the least that every region takes
        instanceMemoryMB: 2048
        // One instance is always there for orchestrations and activities: a copy under way is polled without a cold start.
        alwaysReady: [{ name: 'durable', instanceCount: 1 }]
        triggers: { http: { perInstanceConcurrency: 16 } }
      }
    }
    siteConfig: {
      appSettings: concat(fixedSettings, schedulerSettings, secretReferences)
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }
}

// Deployment signs in with Entra ID, never with a password of the site.
resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for door in ['scm', 'ftp']: {
    parent: app
    name: door
    properties: { allow: false }
  }
]

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
