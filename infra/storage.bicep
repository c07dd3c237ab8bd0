// Two accounts, without account keys. The hub holds the deployed package, the host's leases and function keys, and the task hub; it is
// busy, and can be made anew. The catalog holds what must survive the region, so it is geo-redundant. Blob versioning stays off: the
// durable storage provider does not work with it.
param token string
param location string
param tags object
param principalId string

@description('Enabled, or Disabled: private endpoints only.')
param publicNetworkAccess string

var defaultAction = publicNetworkAccess == 'Disabled' ? 'Deny' : 'Allow'
var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
var tableContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
var hubRoles = [blobOwner, queueContributor, tableContributor]

resource hub 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'sthub${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    isHnsEnabled: false
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: defaultAction
    }
  }
}

resource hubBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: hub
  name: 'default'
  properties: { isVersioningEnabled: false }
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hubBlobs
  name: 'packages'
  properties: { publicAccess: 'None' }
}

resource catalog 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'stcat${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_GRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    isHnsEnabled: false
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: defaultAction
    }
  }
}

resource hubGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in hubRoles: {
    name: guid(hub.id, principalId, role)
    scope: hub
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource catalogGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(catalog.id, principalId, tableContributor)
  scope: catalog
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output hubAccountName string = hub.name
output packageContainerUrl string = '${hub.properties.primaryEndpoints.blob}${packages.name}'
output catalogAccountName string = catalog.name
output catalogTableEndpoint string = catalog.properties.primaryEndpoints.table
