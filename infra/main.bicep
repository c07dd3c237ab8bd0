// Everything that the app needs on Azure, in the region of a target (docs/deploy.md).
targetScope = 'subscription'

@description('Name of the azd environment. It is part of the names of what is made.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region of a target of backup.json, never the region of a source: the app must work while the source is down.')
@minLength(1)
param location string

@description('Where the orchestrations are kept: storage (queues and tables), or scheduler (Durable Task Scheduler).')
@allowed(['storage', 'scheduler'])
param backend string = 'storage'

@description('Reach storage and vault through private endpoints only, from a virtual network that is made for the app.')
param privateNetwork bool = false

@description('Let the app copy from targets back to sources too. It can then make and delete models in the sources.')
param allowRestores bool = false

@description('Name of the task hub: 3 to 45 letters and digits, a letter first.')
@minLength(3)
@maxLength(45)
param taskHubName string = 'FormsBackup'

@description('When plans without a schedule of their own run: NCRONTAB with seconds, UTC.')
param backupSchedule string = '0 0 2 * * *'

@description('How many days the records of runs are kept.')
@minValue(1)
@maxValue(3650)
param historyDays int = 30

@description('E-mail addresses that get the alerts, separated by commas; empty: alerts are seen in the portal only.')
param alertEmails string = ''

// The one source of names: which resources there are, which of them take the identity, and what the settings with keys are called.
// any(): what the file holds is checked by the app, not by this template. It is read when the template is compiled.
var configuration = any(loadJsonContent('../backup.json'))

var token = toLower(uniqueString(subscription().id, environmentName, location))
var publicNetworkAccess = privateNetwork ? 'Disabled' : 'Enabled'
var tags = { 'azd-env-name': environmentName }

// The resources that the app signs in to with the identity made here: those with "managedIdentity": {}.
// (Without lambdas: checkov does not read them. An array with nothing or one thing for each, and flatten, are a filter.)
var managedOrNot = [for entry in items(configuration.resources): contains(entry.value, 'managedIdentity') && !contains(entry.value.?managedIdentity ?? {}, 'clientId') ? [entry] : []]
var managed = flatten(managedOrNot)
var managedSubscriptions = [for entry in managed: '/subscriptions/${split(entry.value.resourceId, '/')[2]}']
var sources = [for plan in items(configuration.?plans ?? {}): plan.value.source]
var targetsOfPlans = [for plan in items(configuration.?plans ?? {}): plan.value.targets]
var targets = flatten(targetsOfPlans)

// The settings that hold a secret. Each becomes a reference to the secret of the same name in the vault (_ is not allowed there).
var keySettings = [for entry in items(configuration.resources): contains(entry.value, 'keySetting') ? [entry.value.keySetting] : []]
var urlSettings = [for receiver in configuration.?notify ?? []: receiver.urlSetting]
var secretSettings = union(flatten(keySettings), urlSettings)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-forms-backup-${token}'
    location: location
    tags: tags
  }
}

module roles 'roles.bicep' = {
  name: 'roles-${token}'
  params: {
    token: token
    assignableScopes: union(['/subscriptions/${subscription().subscriptionId}'], managedSubscriptions)
  }
}

// Names of deployments: at most 64 characters, and another one for each resource.
module sourceGrants 'grant.bicep' = [
  for entry in managed: if (allowRestores || contains(sources, entry.key)) {
    name: 'source-${uniqueString(token, entry.key)}'
    scope: resourceGroup(split(entry.value.resourceId, '/')[2], split(entry.value.resourceId, '/')[4])
    params: {
      accountName: split(entry.value.resourceId, '/')[8]
      principalId: identity.outputs.principalId
      roleName: roles.outputs.sourceRole
    }
  }
]

module targetGrants 'grant.bicep' = [
  for entry in managed: if (allowRestores || contains(targets, entry.key)) {
    name: 'target-${uniqueString(token, entry.key)}'
    scope: resourceGroup(split(entry.value.resourceId, '/')[2], split(entry.value.resourceId, '/')[4])
    params: {
      accountName: split(entry.value.resourceId, '/')[8]
      principalId: identity.outputs.principalId
      roleName: roles.outputs.targetRole
    }
  }
]

module telemetry 'telemetry.bicep' = {
  name: 'telemetry'
  scope: group
  params: {
    name: 'forms-backup-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module monitoring 'monitoring/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    applicationInsightsId: telemetry.outputs.applicationInsightsId
    logAnalyticsWorkspaceId: telemetry.outputs.logAnalyticsWorkspaceId
    alertEmails: empty(alertEmails) ? [] : split(replace(alertEmails, ' ', ''), ',')
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    publicNetworkAccess: publicNetworkAccess
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-forms-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    publicNetworkAccess: publicNetworkAccess
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-forms-backup-${token}'
    location: location
    tags: tags
    hubAccountName: storage.outputs.hubAccountName
    catalogAccountName: storage.outputs.catalogAccountName
    vaultName: vault.outputs.name
  }
}

module scheduler 'scheduler.bicep' = if (backend == 'scheduler') {
  name: 'scheduler'
  scope: group
  params: {
    name: 'dts-forms-${token}'
    location: location
    tags: tags
    taskHubName: taskHubName
    principalId: identity.outputs.principalId
    clientId: identity.outputs.clientId
  }
}

module app 'app.bicep' = {
  name: 'app'
  scope: group
  params: {
    name: 'func-forms-backup-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hubAccountName: storage.outputs.hubAccountName
    packageContainerUrl: storage.outputs.packageContainerUrl
    catalogTableEndpoint: storage.outputs.catalogTableEndpoint
    vaultUri: vault.outputs.uri
    secretSettings: secretSettings
    applicationInsightsConnectionString: telemetry.outputs.connectionString
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    schedulerConnection: backend == 'scheduler' ? scheduler!.outputs.connection : ''
    taskHubName: taskHubName
    backupSchedule: backupSchedule
    historyDays: historyDays
  }
}

// azd keeps them in its environment: azd env get-values. docs/deploy.md and local/azd.py use them.
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_URL string = app.outputs.url
output KEY_VAULT_ID string = vault.outputs.id
